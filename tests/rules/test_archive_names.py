"""Names in an archive are decoded with the one encoding that fits all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.archive_names import names_codec

NAMES = (
    ("cp437", "Müller/Übersicht.md|Größe.md"),
    ("cp437", "Größe.md"),
    ("cp850", "Geschäftsführer/Änderungen für März.txt"),
    ("cp437", "Résumé à lire.md|où/été.txt"),
    ("cp850", "À propos.md|Élève.md|Île.md"),
    ("cp437", "España/año.md|canción.md|mañana.txt|Ñandú.md"),
    ("cp850", "Introdução.md|ações.md|não.txt"),
    ("cp850", "Køb.md|Ærø.txt"),
    ("cp437", "Åsa Björk.md|räksmörgås.txt"),
    ("cp866", "Договор поставки.md|Отчёт/март.txt"),
    ("cp866", "Отчет.md"),
    ("cp1251", "Договор поставки.md|Отчёт/март.txt"),
    ("cp932", "資料/説明.md|納品書.md"),
    ("cp932", "はじめに.md|テスト.txt"),
    ("cp932", "新しいフォルダー/見積書.txt|表.md"),
    ("cp949", "자료/보고서.md|회의록.md"),
    ("cp949", "설명.md"),
    ("gbk", "资料/说明.md|报告.md"),
    ("gbk", "说明.md"),
    ("gbk", "新建文件夹/测试文档.txt"),
    ("big5", "資料/說明.md|報告.md"),
    ("big5", "新增資料夾/測試.txt"),
    ("cp852", "Zażółć gęślą jaźń.md|Łódź.txt"),
    ("cp1252", "Übersicht für Müller.md|Größe.md"),
    ("utf-8", "Müller.md|说明.md|Отчет.md"),
)


@pytest.mark.parametrize(("encoding", "names"), NAMES)
def test_names_are_read_as_they_were_written(encoding: str, names: str) -> None:
    raws = [name.encode(encoding) for name in names.split("|")]
    assert "|".join(raw.decode(names_codec(raws)) for raw in raws) == names


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_get_a_codec(names: list[bytes]) -> None:
    codec = names_codec(names)
    assert all(isinstance(name.decode(codec, "replace"), str) for name in names)


def test_plain_names_are_utf8() -> None:
    assert names_codec([b"a.md", b"b.md"]) == "utf-8"
    assert names_codec([]) == "utf-8"
