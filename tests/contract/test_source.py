"""The source port: one suite for a folder, a zip and a file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recalld.adapters.source.archive import ZipSource
from recalld.adapters.source.opening import FileSource, FolderSource
from recalld.adapters.source.selection import SourceSettings
from recalld.domain.choice import Choice
from recalld.ports.source import Found, Skipped, Source

FILES = {
    "b.md": b"# B\n",
    "a/z.txt": b"zed",
    "a/deep/x.py": b"x = 1\n",
    "a.md": b"",
    "\u4f60\u597d.md": "你好".encode(),
}
Make = Callable[[Path, dict[str, bytes]], Source]


def folder(path: Path, files: dict[str, bytes]) -> Source:
    for name, data in files.items():
        (path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "in" / name).write_bytes(data)
    return FolderSource(SourceSettings(path / "in", Choice("in")))


def archive(path: Path, files: dict[str, bytes]) -> Source:
    with zipfile.ZipFile(path / "in.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return ZipSource(SourceSettings(path / "in.zip", Choice("in.zip")))


every_source = pytest.mark.parametrize("make", [folder, archive])


@every_source
def test_every_file_is_found_once_in_path_order_with_its_size(make: Make, tmp_path: Path) -> None:
    found = list(make(tmp_path, FILES).entries())
    wanted = sorted(FILES, key=lambda path: path.split("/"))
    assert found == [Found(path, len(FILES[path])) for path in wanted]


@every_source
def test_listed_entries_can_be_read(make: Make, tmp_path: Path) -> None:
    source = make(tmp_path, FILES)
    assert {e.path: source.read(e.path) for e in source.entries() if isinstance(e, Found)} == FILES


@every_source
@pytest.mark.parametrize("path", ["missing.md", "../in.zip", "/etc/passwd", "a"])
def test_unlisted_entries_read_as_gone(make: Make, tmp_path: Path, path: str) -> None:
    assert make(tmp_path, FILES).read(path) is None


@every_source
def test_entries_can_be_listed_twice(make: Make, tmp_path: Path) -> None:
    source = make(tmp_path, FILES)
    assert list(source.entries()) == list(source.entries())


@pytest.mark.parametrize("make", [folder, archive])
def test_files_other_than_documents_are_skipped_with_a_reason(make: Make, tmp_path: Path) -> None:
    files = {
        "a.md": b"x",
        "a.pyc": b"x",
        "tool": b"\x7fELF\x02\x00\x00",
        "node_modules/x/index.js": b"x",
        ".git/config": b"x",
        "p.pdf": b"%PDF",
        ".abstract.md": b"x",
    }
    entries = list(make(tmp_path, files).entries())
    assert {e.path for e in entries if isinstance(e, Found)} == {"a.md", "p.pdf"}
    assert {e.path: e.why for e in entries if isinstance(e, Skipped)} == {
        "a.pyc": "compiled code",
        "tool": "executable",
        "node_modules/": "installed dependencies",
        ".git/": "version control data",
        ".abstract.md": "name is reserved",
    }


@pytest.mark.parametrize("make", [folder, archive])
def test_gitignore_files_count_for_their_folder_and_the_nearest_decides(make: Make, tmp_path: Path) -> None:
    files = {
        ".gitignore": b"*.log\n/out/\n!keep.log\n",
        "a.log": b"x",
        "keep.log": b"x",
        "out/a.md": b"x",
        "sub/.gitignore": b"!b.log\nsecret.md\n",
        "sub/b.log": b"x",
        "sub/c.log": b"x",
        "sub/secret.md": b"x",
        "sub/out/d.md": b"x",
    }
    found = {e.path for e in make(tmp_path, files).entries() if isinstance(e, Found)}
    assert found == {".gitignore", "keep.log", "sub/.gitignore", "sub/b.log", "sub/out/d.md"}


def test_a_single_file_is_a_set_of_one_under_its_owners_name(tmp_path: Path) -> None:
    (tmp_path / "upload_1").write_bytes(b"hi")
    source = FileSource(SourceSettings(tmp_path / "upload_1", Choice("guide.md")))
    assert list(source.entries()) == [Found("guide.md", 2)]
    assert source.read("guide.md") == b"hi"
    assert source.read("upload_1") is None
