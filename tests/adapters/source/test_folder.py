"""A folder source lists its own contents and never leaves the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recalld.adapters.source.opening import FolderSource, open_source
from recalld.adapters.source.selection import SourceSettings
from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid, NotFound
from recalld.ports.source import Found, Skipped


def entries(root: Path, **choice: tuple[str, ...]) -> dict[str, str]:
    """Path -> "" when found, else why not."""
    source = FolderSource(SourceSettings(root, Choice("x", **choice)))
    return {e.path: e.why if isinstance(e, Skipped) else "" for e in source.entries()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "a.md").write_text("a")
    (root / "docs" / "b.txt").write_text("b")
    (tmp_path / "secret.md").write_text("secret")
    return root


def test_a_link_out_of_the_folder_is_skipped_and_not_read(root: Path) -> None:
    (root / "out.md").symlink_to(root.parent / "secret.md")
    (root / "up").symlink_to(root.parent)
    assert entries(root)["out.md"] == "link out of the folder"
    assert entries(root)["up"] == "link out of the folder"
    source = FolderSource(SourceSettings(root, Choice("x")))
    assert source.read("out.md") is None
    assert source.read("up/secret.md") is None
    assert source.read("../secret.md") is None


def test_a_link_inside_the_folder_is_the_file_it_points_to(root: Path) -> None:
    (root / "same.md").symlink_to("a.md")
    assert entries(root)["same.md"] == ""


def test_a_ring_of_folders_is_not_walked(root: Path) -> None:
    (root / "docs" / "again").symlink_to(root / "docs", target_is_directory=True)
    (root / "loop").symlink_to("loop")
    found = entries(root)
    assert found["docs/again"] == "link to a folder"
    assert found["loop"]


def test_a_named_pipe_is_skipped_without_blocking(root: Path) -> None:
    os.mkfifo(root / "pipe.md")
    os.mkfifo(root / "docs" / ".gitignore")
    assert entries(root)["pipe.md"] == "no regular file"


def test_a_name_that_is_no_utf8_is_skipped(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/bad\xff.md")).write_text("x")
    assert "name is not UTF-8" in entries(root).values()


def test_a_file_too_large_is_skipped_unread(root: Path) -> None:
    with open(root / "big.txt", "wb") as big:
        big.truncate(33 * 1024 * 1024)
        big.seek(0)
        big.write(b"x" * 9_000)
    assert entries(root)["big.txt"] == "too large: 34.6 MB, the limit is 33.6 MB"


def test_a_file_that_vanishes_reads_as_gone(root: Path) -> None:
    source = FolderSource(SourceSettings(root, Choice("x")))
    found = [e.path for e in source.entries() if isinstance(e, Found)]
    (root / "a.md").unlink()
    assert [source.read(path) for path in found] == [None, b"b"]


def test_a_folder_that_vanishes_is_skipped(root: Path) -> None:
    walk = FolderSource(SourceSettings(root, Choice("x"))).entries()
    assert next(walk) == Found("a.md", 1)
    (root / "docs" / "b.txt").unlink()
    (root / "docs").rmdir()
    assert list(walk) == [Skipped("docs/", "cannot be read", error=True)]


def test_patterns_choose(root: Path) -> None:
    assert entries(root, include=("*.md",)) == {"a.md": "", "docs/b.txt": "not included"}
    assert entries(root, exclude=("*.txt",)) == {"a.md": "", "docs/b.txt": "excluded"}
    assert entries(root, ignore_dirs=("docs",)) == {"a.md": "", "docs/": "in ignore_dirs"}


def test_a_pattern_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(Invalid, match="include"):
        entries(root, include=("!",))


def test_a_gitignore_line_that_is_no_pattern_spoils_no_other(root: Path) -> None:
    (root / ".gitignore").write_text("!\n*.txt\n")
    assert entries(root)["docs/b.txt"] == "ignored by .gitignore"


def test_opening_tells_folder_file_and_zip_apart(root: Path) -> None:
    assert isinstance(open_source(root, Choice("x")), FolderSource)
    assert list(open_source(root / "a.md", Choice("a.md")).entries()) == [Found("a.md", 1)]
    with pytest.raises(Invalid, match="zip"):
        open_source(root / "a.md", Choice("a.zip"))
    with pytest.raises(NotFound):
        open_source(root / "none", Choice("none"))


CREDENTIALS = "credentials, left out by default"


def secrets(root: Path) -> Path:
    for name in (
        ".env",
        "app/.ENV",
        "app/.npmrc",
        "deploy/id_rsa",
        ".ssh/config",
        ".obsidian/app.json",
        ".trash/old.md",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    return root


def test_credentials_settings_and_trash_are_left_out_and_named(root: Path) -> None:
    assert entries(secrets(root)) == {
        "a.md": "",
        "docs/b.txt": "",
        ".env": CREDENTIALS,
        "app/.ENV": CREDENTIALS,
        "app/.npmrc": CREDENTIALS,
        "deploy/id_rsa": CREDENTIALS,
        ".ssh/": CREDENTIALS,
        ".obsidian/": "settings of a note app",
        ".trash/": "trash",
    }


@pytest.mark.parametrize(
    ("include", "taken"),
    [
        ((".env",), {".env"}),
        (("app/.npmrc",), {"app/.npmrc"}),
        ((".ssh/",), {".ssh/config"}),
        (("id_*",), {"deploy/id_rsa"}),
        ((".obsidian/",), {".obsidian/app.json"}),
        (("*",), {"a.md", "docs/b.txt"}),
        (("**", ".*"), {"a.md", "docs/b.txt"}),
        (("app/", "deploy/"), set()),
        (("*", ".env"), {"a.md", "docs/b.txt", ".env", "app/.ENV"}),
    ],
)
def test_an_include_that_names_them_takes_them(root: Path, include: tuple[str, ...], taken: set[str]) -> None:
    assert {path for path, why in entries(secrets(root), include=include).items() if not why} == taken
