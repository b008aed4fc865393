"""A hostile zip is refused as a whole, with a remedy, before anything is unpacked."""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
from pathlib import Path

import pytest

from recalld.adapters.source.archive import ZipSource
from recalld.adapters.source.selection import SourceSettings
from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid
from recalld.infra import safe_zip
from recalld.ports.source import Found, Skipped


def packed(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data, compress_type=zipfile.ZIP_DEFLATED)
    return path / "in.zip"


def opened(path: Path) -> ZipSource:
    return ZipSource(SourceSettings(path, Choice("in.zip")))


def refused(path: Path, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        opened(path)
    assert caught.value.remedy


ODD = ["../a.md", "a/../../b.md", "/etc/passwd", "C:/x.md", "..\\a.md", "\\\\host\\x", "c:\\x\\y.md"]


@pytest.mark.parametrize("name", ODD)
def test_an_entry_that_leads_outside_is_left_out_and_named(tmp_path: Path, name: str) -> None:
    source = opened(packed(tmp_path, ("ok.md", b"x"), (name, b"secret")))
    found, odd = source.entries()
    assert (found, odd) == (Found("ok.md", 1), Skipped(odd.path, "leads outside the archive"))
    assert odd.path.rsplit("/")[-1] in name
    assert source.read(name) is None
    assert source.read(odd.path) is None


@pytest.mark.parametrize("name", ["Q: why is the sky blue.md", "a:b.md", "notes/C: drive.md", "x?.md"])
def test_a_colon_in_a_name_leads_nowhere(tmp_path: Path, name: str) -> None:
    assert set(opened(packed(tmp_path, ("ok.md", b"x"), (name, b"y"))).entries()) == {Found("ok.md", 1), Found(name, 1)}


@pytest.mark.parametrize(
    ("kind", "why"),
    [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "regular"), (stat.S_IFIFO, "regular"), (stat.S_IFSOCK, "regular")],
)
def test_a_link_and_a_device_are_left_out_and_named(tmp_path: Path, kind: int, why: str) -> None:
    odd = zipfile.ZipInfo("odd")
    odd.create_system = 3
    odd.external_attr = (kind | 0o777) << 16
    found, left_out = opened(packed(tmp_path, (odd, b"/etc/passwd"), ("ok.md", b"x"))).entries()
    assert isinstance(left_out, Skipped)
    assert (found, left_out.path, why in left_out.why) == (Found("ok.md", 1), "odd", True)


def test_a_name_with_a_zero_byte_is_left_out(tmp_path: Path) -> None:
    path = packed(tmp_path, ("ok.md", b"x"), ("abcd.md", b"y"))
    path.write_bytes(path.read_bytes().replace(b"abcd.md", b"ab\x00d.md"))
    assert list(opened(path).entries()) == [Found("ok.md", 1), Skipped("ab", "leads outside the archive")]


def test_a_damaged_lzma_entry_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.txt", bytes(range(256)) * 20)
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)
    assert list(opened(path).entries()) == [Skipped("a.txt", "damaged", error=True)]


def test_an_encrypted_entry_is_left_out_and_named(tmp_path: Path) -> None:
    path = packed(tmp_path, ("a.md", b"x"), ("b.md", b"y"))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert list(opened(path).entries()) == [Found("b.md", 1), Skipped("a.md", "encrypted: send it without a password")]


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    source = opened(packed(tmp_path, ("a", b"x"), ("a/b.md", b"y")))
    assert list(source.entries()) == [Skipped("a", "a folder has the same name"), Found("a/b.md", 1)]


@pytest.mark.parametrize(
    ("names", "unwrap", "found"),
    [
        (("in/a.md", "in/b/c.md"), True, ["a.md", "b/c.md"]),
        (("IN/a.md", "__MACOSX/IN/._a.md", ".DS_Store"), True, ["a.md"]),
        (("in/a.md", "in/b.md"), False, ["in/a.md", "in/b.md"]),
        (("in/a.md", "b.md"), True, ["b.md", "in/a.md"]),
        (("other/a.md",), True, ["other/a.md"]),
        (("in/a.md", "out/b.md"), True, ["in/a.md", "out/b.md"]),
    ],
)
def test_the_only_folder_of_the_archives_name_is_the_top(
    tmp_path: Path, names: tuple[str, ...], unwrap: bool, found: list[str]
) -> None:
    path = packed(tmp_path, *((name, b"x") for name in names))
    source = ZipSource(SourceSettings(path, Choice("in.zip", unwrap=unwrap)))
    assert [e.path for e in source.entries() if isinstance(e, Found)] == found
    assert all(source.read(path) == b"x" for path in found)


def test_names_that_differ_in_how_accents_are_spelled_are_one(tmp_path: Path) -> None:
    path = packed(tmp_path, (unicodedata.normalize("NFD", "Café.md"), b"old"), ("Café.md", b"new"))
    source = opened(path)
    assert list(source.entries()) == [Found("Café.md", 3), Skipped("Café.md", "a later entry has the same name")]
    assert source.read("Café.md") == b"new"


def test_a_bomb_is_refused_by_what_it_would_grow_to(tmp_path: Path) -> None:
    refused(packed(tmp_path, ("zeros.txt", b"\x00" * 8_000_000)), "fold")


def test_an_archive_that_declares_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_zip, "ZIP_BYTES_MAX", 100)
    refused(packed(tmp_path, ("a.txt", b"abc" * 50)), "unpacked")


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_zip, "ZIP_ENTRIES_MAX", 3)
    refused(packed(tmp_path, *((f"{i}.md", b"x") for i in range(4))), "entries")


def test_an_absurd_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = packed(tmp_path, ("a.md", b"x"))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, len(data) - 22 + 12, 2**31)
    path.write_bytes(data)
    refused(path, "too many files")


def test_an_absurd_directory_behind_a_zip64_record_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path, ("a.md", b"x"), ("b.md", b"y"))
    data = path.read_bytes()
    end = len(data) - 22
    (size, start) = struct.unpack_from("<II", data, end + 12)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    ending = bytearray(data[end:])
    struct.pack_into("<I", ending, 12, 1)  # zipfile trusts the record instead
    path.write_bytes(data[:end] + record + locator + ending)
    assert [found.path for found in opened(path).entries() if isinstance(found, Found)] == ["a.md", "b.md"]
    monkeypatch.setattr(safe_zip, "_DIRECTORY_BYTES_MAX", size - 1)
    refused(path, "too many files")


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 100, b"PK\x05\x06" + b"\xff" * 18])
def test_files_other_than_zip_are_refused(tmp_path: Path, data: bytes) -> None:
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
    assert entries == [Skipped("a.txt", "damaged", error=True), Found("b.txt", 6)]


def test_a_zip_in_a_zip_is_one_file_and_is_not_opened(tmp_path: Path) -> None:
    inner = packed(tmp_path, ("../evil.md", b"x")).read_bytes()
    assert list(opened(packed(tmp_path, ("inner.zip", inner))).entries()) == [Found("inner.zip", len(inner))]


def test_a_duplicate_name_is_reported(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = packed(tmp_path, ("a.md", b"old"), ("a.md", b"new"))
    source = opened(path)
    assert list(source.entries()) == [Found("a.md", 3), Skipped("a.md", "a later entry has the same name")]
    assert source.read("a.md") == b"new"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("gbk", "说明.md"),
        ("utf-8", "说明.md"),
        ("cp437", "Übersicht.md"),
        ("cp850", "Introdução às ações.md"),
        ("cp866", "Договор поставки.md"),
        ("cp932", "資料の説明.md"),
        ("cp949", "회의록.md"),
        ("big5", "說明文件.md"),
    ],
)
def test_names_without_the_utf8_mark_are_read_as_their_machine_wrote_them(
    tmp_path: Path, encoding: str, name: str
) -> None:
    raw = name.encode(encoding)
    path = packed(tmp_path, ("x" * len(raw), b"hi"))
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    assert list(opened(path).entries()) == [Found(name, 2)]


def test_the_utf8_flag_is_trusted(tmp_path: Path) -> None:
    assert list(opened(packed(tmp_path, ("Übersicht.md", b"x"), ("资料.md", b"y"))).entries()) == [
        Found("Übersicht.md", 1),
        Found("资料.md", 1),
    ]
