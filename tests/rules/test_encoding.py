"""Any bytes decode to text, with a warning for a guess."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.encoding import decode
from recalld.rules.legacy import SAMPLE_BYTES, sample_of

CHINESE = "数据库保存记忆、资源和技能。今天天气很好，我们去公园散步。"


@given(st.binary(max_size=400))
def test_any_bytes_become_text_without_lone_surrogates(data: bytes) -> None:
    decode(data).text.encode("utf-8")


@given(st.text(st.characters(exclude_characters="\x00\x1b", exclude_categories=["Cs"]), max_size=200))
def test_utf8_is_read_as_it_was_written_and_not_warned_of(text: str) -> None:
    clean = text.encode("utf-8", "ignore").decode().lstrip("\ufeff")
    decoded = decode(clean.encode())
    assert (decoded.text, decoded.encoding, decoded.warning) == (clean, "utf-8", "")


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode(codecs.BOM_UTF8 + b"hello").text == "hello"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_LE, "utf-32-le")],
)
def test_marked_wide_encodings_are_read_and_reported(mark: bytes, encoding: str) -> None:
    decoded = decode(mark + CHINESE.encode(encoding))
    assert (decoded.text, decoded.encoding) == (CHINESE, encoding)
    assert encoding.upper() in decoded.warning


def test_chinese_in_gb18030_is_read_and_reported() -> None:
    decoded = decode(CHINESE.encode("gb18030"))
    assert (decoded.text, decoded.encoding) == (CHINESE, "gb18030")
    assert "GB18030" in decoded.warning


def test_french_in_latin1_is_not_taken_for_chinese() -> None:
    text = "Un élève naïf a mangé à Nîmes, près du château."
    decoded = decode(text.encode("latin-1"))
    assert decoded.text == text
    assert "Windows-1252" in decoded.warning


WRITTEN = [
    ("cp1251", "Договор поставки подписан в марте."),
    ("koi8-r", "Договор поставки подписан в марте."),
    ("cp866", "Договор поставки подписан в марте."),
    ("koi8-u", "Договір поставки підписано в березні, її затвердив директор."),
    ("cp1251", "name;город\nИван;Москва\nПётр;Казань\n"),
    ("cp1252", "— “second” €500 ’"),
    ("cp1252", "It’s 20 °C – “ok”"),
    ("cp1252", "Müller & Söhne, Größe überprüft"),
    ("cp1252", "Año nuevo, mañana señor Núñez"),
    ("cp1250", "Zażółć gęślą jaźń"),
    ("iso8859-2", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1253", "Η σύμβαση υπογράφηκε τον Μάρτιο στην Αθήνα."),
    ("iso8859-7", "Η σύμβαση υπογράφηκε τον Μάρτιο στην Αθήνα."),
    ("cp1254", "Sözleşme mart ayında İstanbul'da imzalandı, şirket ödedi."),
    ("iso8859-9", "Sözleşme mart ayında İstanbul'da imzalandı, şirket ödedi."),
    ("cp1255", "החוזה נחתם במרץ בתל אביב"),
    ("cp1256", "تم توقيع العقد في مارس في القاهرة"),
    ("cp874", "สวัสดีครับ ยินดีต้อนรับ"),
    ("cp1257", "Labdien, līgums parakstīts martā, ļoti labi"),
    ("cp932", "納品書は三月に署名"),
    ("euc-jp", "納品書は三月に署名"),
    ("iso2022-jp", "納品書は三月に署名"),
    ("cp949", "납품 계약은 삼월에"),
    ("iso2022-kr", "납품 계약은 삼월에"),
    ("big5", "交貨合約在三月簽署"),
    ("gb18030", "交货合同在三月签署"),
    ("gb18030", "会议"),
    ("utf-16-le", "Plain words of a Windows tool.\r\n"),
    ("utf-16-be", "Plain words of a Windows tool.\r\n"),
    ("utf-16-le", "会议延期到星期一，因为王先生生病了。\n"),
    ("utf-32-le", "会议延期到星期一"),
]


@pytest.mark.parametrize(("encoding", "text"), WRITTEN, ids=[f"{e}-{t[:8]}" for e, t in WRITTEN])
def test_old_encodings_are_read_as_they_were_written_and_reported(encoding: str, text: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert "read as" in decoded.warning


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "cp932", "euc-jp", "cp949", "gb18030"])
def test_non_ascii_text_is_detected_after_a_megabyte_of_ascii(encoding: str) -> None:
    foreign = {
        "cp932": "契約書は三月に署名",
        "euc-jp": "契約書は三月に署名",
        "cp949": "회의는 월요일로 연기",
        "gb18030": CHINESE,
    }
    text = "plain line of a log\n" * 50_000 + foreign.get(encoding, "Договор подписан в марте.") + "\n"
    assert decode(text.encode(encoding)).text == text


def test_only_a_sample_of_a_large_file_is_examined() -> None:
    data = "Договор подписан в марте.\n".encode("cp1251") * 100_000
    assert len(sample_of(data)) <= 2 * SAMPLE_BYTES


def test_one_broken_byte_does_not_garble_a_utf8_file() -> None:
    decoded = decode(CHINESE.encode() + b"\xff" + CHINESE.encode())
    assert decoded.text == f"{CHINESE}\ufffd{CHINESE}"
    assert "replaced" in decoded.warning
