"""Uploads keep their names, in any header form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.surfaces.http.multipart import CHARS_MAX, filename_of


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('filename="a.md"', "a.md"),
        ("filename=a.md", "a.md"),
        ('filename="资料.md"', "资料.md"),
        ("filename*=UTF-8''%E8%B5%84%E6%96%99.md", "资料.md"),
        ("filename*=utf-8'zh'%E8%B5%84%E6%96%99.md", "资料.md"),
        ("filename*=\"UTF-8''%E8%B5%84%E6%96%99.md\"", "资料.md"),
        ("filename=\"x.md\"; filename*=UTF-8''%E8%B5%84%E6%96%99.md", "资料.md"),
        ("filename*=iso-8859-1'en'%A3%20rates.md", "£ rates.md"),
        ('filename="=?utf-8?B?6LWE5paZLm1k?="', "资料.md"),
        ('filename="=?utf-8?Q?=E8=B5=84=E6=96=99.md?="', "资料.md"),
        ('filename="=?UTF-8?B?6LWE?= =?UTF-8?B?5paZLm1k?="', "资料.md"),
        ('filename="a%22b.md"', 'a"b.md'),
        ('filename="100%.md"', "100%.md"),
        ("filename*0*=UTF-8''%E8%B5%84; filename*1*=%E6%96%99; filename*2=\".md\"", "资料.md"),
        ("filename*=nonsense''%E8.md; filename=\"b.md\"", "b.md"),
        ("filename=\"a; filename*=UTF-8''b.md\"", "a; filename*=UTF-8''b.md"),
        ('filename="say \\"hi\\".md"', 'say "hi".md'),
        ("", ""),
    ],
)
def test_a_name_is_read(disposition: str, name: str) -> None:
    assert filename_of(f'form-data; name="file"; {disposition}'.encode()) == name


def test_a_name_in_a_code_page_is_read_by_statistics() -> None:
    header = b'form-data; name="file"; filename="' + "Договор поставки.md".encode("cp1251") + b'"'
    assert filename_of(header) == "Договор поставки.md"


@given(
    st.lists(
        st.sampled_from([b"filename", b"*", b"=", b";", b'"', b"\\", b"utf-8", b"'", b"%E8", b"0", b"1", b"\xe8", b" "])
    )
)
def test_any_header_gives_a_file_name(pieces: list[bytes]) -> None:
    assert len(filename_of(b"form-data; " + b"".join(pieces))) <= CHARS_MAX
