"""Markup becomes the words that its readers see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.inline_markup import plain_asciidoc, plain_markdown, plain_org, plain_rst

LINE = st.text(st.sampled_from("ab _*`~[]()<>|#:{}!=/\\&;^+-1你好\n"), max_size=200)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "See **the** [guide](http://x.y/z) for `snake_case` <b>now</b> ![i](a.png)",
            "See the guide for snake_case now",
        ),
        (
            "__init__.py and `__all__`, snake_case, _really_, __very__ much",
            "__init__.py and __all__, snake_case, really, __very__ much",
        ),
        (
            "Es un [[Complementos principales|complemento principal]] de [[a/Obsidian]]",
            "Es un complemento principal de Obsidian",
        ),
        ("![[lucide-cog.svg#icon]] [!warning] Privacidad", "Privacidad"),
        ("[![badge](a.svg)](b) Fast :rocket: 🚀 web", "Fast web"),
        ("Heading {/*heading-id*/} {#id}", "Heading"),
        ("Use `Vec<T>` & <br/> a&nbsp;b[^1].", "Use Vec<T> & a b."),
        ("2 * 3 * 4 and ==marked== ~~gone~~ \\_kept\\_", "2 * 3 * 4 and marked gone _kept_"),
        ("[`httpx.get()`](api.md#get) sends", "httpx.get() sends"),
        ("时间在 10:30 到 12:45", "时间在 10:30 到 12:45"),
    ],
)
def test_markdown(source: str, words: str) -> None:
    assert plain_markdown(source) == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("See :ref:`the guide <guide-x>` and :class:`~django.db.Model`.", "See the guide and Model."),
        ("``__init__.py`` holds :doc:`/topics/db/index`, :pep:`8`", "__init__.py holds db, PEP 8"),
        ("`Sphinx <https://x.y>`_ and Python_ with |version| [1]_ *it* **b**", "Sphinx and Python with version it b"),
    ],
)
def test_restructured_text(source: str, words: str) -> None:
    assert plain_rst(source) == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("xref:a.adoc[Guide] and <<sec,the section>> of {project-name}", "Guide and the section of Asciidoctor"),
        ("*Bold* _it_ `code_x` +lit+ [.role]#text# https://x.y[site]", "Bold it code_x lit text site"),
        ("linkgit:git-add[1] image:a.png[alt] kbd:[Ctrl]", "git-add(1) Ctrl"),
    ],
)
def test_asciidoc(source: str, words: str) -> None:
    assert plain_asciidoc(source, {"project-name": "Asciidoctor"}) == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("See [[https://x.y][the site]] and =code_x= /it/ *b*", "See the site and code_x it b"),
        ("Due <2024-05-01 Wed 10:00>[fn:1]", "Due 2024-05-01"),
    ],
)
def test_org(source: str, words: str) -> None:
    assert plain_org(source) == words


@given(LINE)
def test_a_line_of_any_marks_becomes_one_line(text: str) -> None:
    for plain in (plain_markdown, plain_rst, plain_asciidoc, plain_org):
        assert "\n" not in plain(text)


def test_a_long_run_of_marks_takes_no_quadratic_time() -> None:
    for mark in ("[", "<", "*", "_a", "`", "{", "[[a|", " _a", "((", ":a", "<<a", "![", "<!--", "|a"):
        for plain in (plain_markdown, plain_rst, plain_asciidoc, plain_org):
            assert isinstance(plain(mark * 12_000), str)
