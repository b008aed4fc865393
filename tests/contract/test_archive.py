"""The archive port: written archives can be read, hostile ones are refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recalld.adapters.archive.zip import ZipArchives
from recalld.domain.errors import Invalid
from recalld.ports.archive import ArchiveReader, Archives

FILES = {"a/b.md": b"# B\n", "a/none": b"", "\u4f60\u597d.md": b"x" * 3_000_000, "zeros": bytes(2_000_000)}
every_archive = pytest.mark.parametrize("archives", [ZipArchives()], ids=lambda a: type(a).__name__)


def read(reader: ArchiveReader, name: str) -> bytes:
    return b"".join(reader.slices(name))


def written(archives: Archives, path: Path) -> Path:
    writer = archives.create(path)
    for name, data in FILES.items():
        writer.add(name, data)
    writer.stream("pieces", iter([b"one ", b"two"]))
    assert writer.finish() == path.stat().st_size
    return path


@every_archive
def test_entries_round_trip(archives: Archives, tmp_path: Path) -> None:
    reader = archives.open(written(archives, tmp_path / "deep" / "pack"))
    assert reader.sizes() == {name: len(data) for name, data in FILES.items()} | {"pieces": 7}
    assert {name: read(reader, name) for name in FILES} == FILES
    assert read(reader, "pieces") == b"one two"
    assert max(len(piece) for piece in reader.slices("zeros")) <= 1_048_576
    with pytest.raises(Invalid):
        read(reader, "unknown")
    reader.close()


@every_archive
def test_a_name_is_given_once(archives: Archives, tmp_path: Path) -> None:
    writer = archives.create(tmp_path / "pack")
    writer.add("a", b"1")
    with pytest.raises(Invalid):
        writer.add("a", b"2")
    writer.abandon()


@every_archive
def test_an_abandoned_archive_leaves_nothing(archives: Archives, tmp_path: Path) -> None:
    writer = archives.create(tmp_path / "pack")
    writer.add("a", b"1")
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


@every_archive
def test_truncated_or_flipped_archives_are_refused_or_unchanged(archives: Archives, tmp_path: Path) -> None:
    whole = written(archives, tmp_path / "pack").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(Invalid):
            archives.open(tmp_path / "cut")
    for at in range(0, len(whole), max(1, len(whole) // 37)):
        (tmp_path / "flipped").write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            reader = archives.open(tmp_path / "flipped")
            assert all(read(reader, name) == data for name, data in FILES.items())
        except Invalid:
            continue


def hostile(name: str, mode: int = 0o100644) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"x")
    return out.getvalue()


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a1", b"1")
        archive.writestr("a2", b"2")
    return out.getvalue().replace(b"a2", b"a1")


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    return out.getvalue()


def encrypted() -> bytes:
    data = bytearray(hostile("a"))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8 : at + 10] = struct.pack("<H", 1)
    return bytes(data)


@every_archive
@pytest.mark.parametrize(
    "make",
    [
        lambda: hostile("../a"),
        lambda: hostile("/etc/passwd"),
        lambda: hostile("a/../../b"),
        lambda: hostile("a\\b"),
        lambda: hostile("c:/a"),
        lambda: hostile("a//b"),
        lambda: hostile("link", 0o120777),
        lambda: hostile("device", 0o020777),
        lambda: hostile("abcd").replace(b"abcd", b"ab\x00d"),
        lambda: hostile("."),
        twice,
        bomb,
        encrypted,
        lambda: b"no zip",
    ],
)
def test_hostile_archives_are_refused_on_opening(archives: Archives, make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(make())
    with pytest.raises(Invalid):
        archives.open(tmp_path / "pack")
