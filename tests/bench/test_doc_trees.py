"""The documentation trees' archives: verified, and extracted safely."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bench.doc_trees import MANIFEST, Tree, download, extract, headings, inner_path, manifest

TREE = Tree(
    name="guide", installer="pip", package="guide", version="1", archive="guide-1.tar.gz", sha256="0" * 64,
    folder="guide-1/docs", suffixes=(".md",), language="en", kind="library guide", licence="MIT", files=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("member", "inner"),
    [
        ("guide-1/docs/a/b.md", "a/b.md"),
        ("guide-1/docs/a.py", None),
        ("guide-1/docsy/a.md", None),
        ("guide-1/src/a.md", None),
        ("guide-1/docs/../../a.md", None),
        ("/guide-1/docs/a.md", None),
        ("guide-1/docs/..\\a.md", None),
    ],
)
def test_only_documentation_below_the_folder_is_extracted(member: str, inner: str | None) -> None:
    assert str(inner_path(TREE, member)) == str(inner)


def test_links_are_skipped(tmp_path: Path) -> None:
    archive = tmp_path / "guide-1.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        link = tarfile.TarInfo("guide-1/docs/link.md")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
        plain = tarfile.TarInfo("guide-1/docs/a.md")
        plain.size = 5
        packed.addfile(plain, io.BytesIO(b"# One"))
    assert extract(TREE, archive, tmp_path / "out") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.md"]


def test_an_archive_with_another_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / TREE.archive).write_bytes(b"other")
    with pytest.raises(ValueError, match="SHA-256"):
        download(replace(TREE), tmp_path)


def test_headings_leave_out_code_and_markup() -> None:
    text = "---\ntitle: Start\n---\n# The `tool` {#tool}\n\n```sh\n# comment\n```\n\nUsage\n=====\n\n## [Link](a.md)\n"
    assert headings(text) == ["Start", "The tool", "Usage", "Link"]


def test_the_manifest_names_every_tree_once_with_a_hash() -> None:
    trees = manifest()
    assert len({tree.name for tree in trees}) == len(trees) >= 4
    assert all(len(tree.sha256) == 64 and tree.files >= 60 for tree in trees)


def test_the_manifest_names_no_registry() -> None:
    assert "://" not in MANIFEST.read_text(encoding="utf-8")
