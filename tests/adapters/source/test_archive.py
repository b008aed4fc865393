"""A hostile zip is refused whole, with a remedy, before anything of it is unpacked."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from recalld.adapters.source import archive
from recalld.adapters.source.archive import ZipSource
from recalld.adapters.source.selection import SourceSettings
from recalld.domain.errors import Invalid
from recalld.ports.source import Choice, Found, Skipped


def packed(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path / "in.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in entries:
            made.writestr(name, data, compress_type=zipfile.ZIP_DEFLATED)
    return path / "in.zip"


def opened(path: Path) -> ZipSource:
    return ZipSource(SourceSettings(path, Choice("in.zip")))


def refused(path: Path, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        opened(path)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["../a.md", "a/../../b.md", "/etc/passwd", "C:/x.md", "..\\a.md", "\\\\host\\x"])
def test_an_entry_that_leads_outside_refuses_the_archive(tmp_path: Path, name: str) -> None:
    refused(packed(tmp_path, ("ok.md", b"x"), (name, b"x")), "leads outside")


def test_a_link_refuses_the_archive(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(packed(tmp_path, (link, b"/etc/passwd")), "link")


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, ("a.md", b"x"))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    refused(path, "encrypted")


def test_a_bomb_is_refused_by_what_it_would_grow_to(tmp_path: Path) -> None:
    refused(packed(tmp_path, ("zeros.txt", b"\x00" * 8_000_000)), "fold")


def test_an_archive_that_declares_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ZIP_BYTES_MAX", 100)
    refused(packed(tmp_path, ("a.txt", b"abc" * 50)), "unpacked")


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ZIP_ENTRIES_MAX", 3)
    refused(packed(tmp_path, *((f"{i}.md", b"x") for i in range(4))), "entries")


def test_an_absurd_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = packed(tmp_path, ("a.md", b"x"))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, len(data) - 22 + 12, 2**31)
    path.write_bytes(data)
    refused(path, "too many files")


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 100, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "in.zip"
    path.write_bytes(data)
    with pytest.raises(Invalid):
        opened(path)


def test_an_entry_that_lies_about_its_size_gives_no_more_than_it_declared(tmp_path: Path) -> None:
    path = packed(tmp_path, ("a.txt", b"abc" * 1_000))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    path.write_bytes(data)
    assert len(opened(path).read("a.txt") or b"") <= 10


def test_a_damaged_entry_is_skipped_and_the_others_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path, ("a.txt", b"first " * 40), ("b.txt", b"second"))
    data = bytearray(path.read_bytes())
    data[38:44] = b"\xff" * 6
    path.write_bytes(data)
    entries = list(opened(path).entries())
    assert entries == [Skipped("a.txt", "damaged"), Found("b.txt", 6)]


def test_a_zip_in_a_zip_is_one_file_and_is_not_opened(tmp_path: Path) -> None:
    inner = packed(tmp_path, ("../evil.md", b"x")).read_bytes()
    assert list(opened(packed(tmp_path, ("inner.zip", inner))).entries()) == [Found("inner.zip", len(inner))]


def test_a_name_that_stands_twice_is_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = packed(tmp_path, ("a.md", b"old"), ("a.md", b"new"))
    source = opened(path)
    assert list(source.entries()) == [Found("a.md", 3), Skipped("a.md", "a later entry has the same name")]
    assert source.read("a.md") == b"new"


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_names_without_the_utf8_mark_are_read_as_their_machine_wrote_them(tmp_path: Path, encoding: str) -> None:
    raw = "说明.md".encode(encoding)
    path = packed(tmp_path, ("x" * len(raw), b"hi"))
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    assert list(opened(path).entries()) == [Found("说明.md", 2)]
