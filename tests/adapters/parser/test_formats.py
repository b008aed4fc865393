"""The documents that each parser family produces."""

from __future__ import annotations

import pytest

from recalld.adapters.parser.code import CodeParser, CodeSettings
from recalld.adapters.parser.html import HtmlParser, HtmlSettings
from recalld.adapters.parser.registry import ParserSet
from recalld.adapters.parser.text import TextParser
from recalld.domain.document import Document
from tests.fakes.parsers import built_in

PARSERS = built_in()


def parse(name: str, text: str) -> Document:
    return PARSERS.parse(name, text.encode())


def test_front_matter_gives_title_summary_and_facts() -> None:
    document = parse("a.md", "---\ntitle: Guide\ndescription: How to.\ntags: [a, b]\nnest:\n  x: 1\n---\n# Other\n")
    assert (document.title, document.summary) == ("Guide", "How to.")
    assert document.facts == {"title": "Guide", "description": "How to.", "tags": "a, b", "nest.x": "1"}


def test_broken_front_matter_is_text_with_a_warning() -> None:
    document = parse("a.md", "---\na: [1\n---\n# Real\n")
    assert document.title == "Real"
    assert "front matter ignored" in document.warnings[0]


def test_the_highest_heading_is_the_title() -> None:
    assert parse("a.md", "## Small\n\n# Big\n").title == "Big"


@pytest.mark.parametrize(
    ("name", "source", "summary", "symbols"),
    [
        (
            "a.py",
            '"""Does it."""\n\n@d\nclass A:\n    def f(self): ...\n\ndef g(): ...\n',
            "Does it.",
            ("A", "A.f", "g"),
        ),
        (
            "a.js",
            "/** Cart things. */\nexport class Cart { add(i) {} }\nexport const f = (a) => a;\n",
            "Cart things.",
            ("Cart", "Cart.add", "f"),
        ),
        (
            "a.ts",
            "interface O { a: string }\ntype T = string;\nabstract class C { x(): void {} }\n",
            "",
            ("O", "T", "C", "C.x"),
        ),
        ("a.tsx", "export const App = () => <div/>;\n", "", ("App",)),
        (
            "a.go",
            "// Package s stores.\npackage s\n\ntype T struct{}\n\nfunc (t *T) Get() {}\nfunc New() {}\n",
            "Package s stores.",
            ("T", "T.Get", "New"),
        ),
        (
            "a.rs",
            "//! Docs.\nstruct P;\nimpl P { fn new() {} }\ntrait Q { fn a(&self); }\n",
            "Docs.",
            ("P", "P.new", "Q", "Q.a"),
        ),
        ("A.java", "class A { A() {} int f() { return 1; } enum K { X } }\n", "", ("A", "A.A", "A.f", "A.K")),
        (
            "a.c",
            "/* A list. */\nstruct n { int a; };\ntypedef int t;\nint *find(int k) { return 0; }\n",
            "A list.",
            ("n", "t", "find"),
        ),
        (
            "a.cpp",
            "namespace g { class S { int f() { return 1; } }; }\nint g::S::h() { return 2; }\n",
            "",
            ("g", "g.S", "g.S.f", "g.S.h"),
        ),
        ("a.sh", "#!/bin/sh\n# Starts it.\n\necho\n", "Starts it.", ()),
    ],
)
def test_code_gives_its_symbols_and_what_its_authors_say(
    name: str, source: str, summary: str, symbols: tuple[str, ...]
) -> None:
    document = parse(name, source)
    assert (document.summary, document.symbols) == (summary, symbols)


def test_a_licence_is_no_summary() -> None:
    assert parse("a.py", "# Copyright 2024 Acme\n# Licensed under MIT\n\nimport os\n").summary == ""


def test_a_comment_above_belongs_to_its_definition() -> None:
    document = parse("a.py", "import os\n\n# Makes it.\n@deco\ndef g(): ...\n")
    assert document.sections[1].text.startswith("# Makes it.\n@deco")


def test_code_too_hard_to_read_stays_text_and_says_so() -> None:
    source = b"a(b[c{" * 20_000
    document = CodeParser(CodeSettings(steps_max=50)).parse("a.js", source)
    assert document.text == source.decode()
    assert "too broken" in document.warnings[0]


PAGE = """<!doctype html><html><head><title>The  Page</title><meta name="description" content="About it.">
<style>p{color:red}</style></head><body><nav>Menu</nav><h1>Top</h1><p>First <b>words</b>.</p><script>var x = 1;</script>
<h2>Next &amp; last</h2><p>Second.</p></body></html>"""


def test_a_page_gives_title_description_headings_and_visible_words() -> None:
    document = parse("a.html", PAGE)
    assert (document.title, document.summary) == ("The Page", "About it.")
    assert [s.heading for s in document.sections if s.depth] == ["Top", "Next & last"]
    assert document.indexable == "Top\nFirst words.\nNext & last\nSecond."
    assert document.text == PAGE


def test_a_page_nested_too_deeply_is_read_without_its_structure() -> None:
    document = HtmlParser(HtmlSettings(depth_max=10)).parse("a.html", b"<div>" * 11 + b"hello")
    assert document.indexable == "hello"
    assert "deeply nested" in document.warnings[0]


def test_closing_what_was_never_opened_does_not_hide_the_depth() -> None:
    assert HtmlParser(HtmlSettings(depth_max=10)).parse("a.html", b"<div></b>" * 11).warnings


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"name": "n", "description": "d", "server": {"port": 1}, "list": [{"x": 1}]}'),
        ("a.yaml", "name: n\ndescription: d\nserver:\n  port: 1\nlist:\n  - x: 1\n"),
        ("a.toml", 'name = "n"\ndescription = "d"\n[server]\nport = 1\n[[list]]\nx = 1\n'),
    ],
)
def test_data_gives_its_keys_as_paths(name: str, text: str) -> None:
    document = parse(name, text)
    assert document.symbols == ("name", "description", "server", "server.port", "list", "list.x")
    assert (document.title, document.summary, document.warnings) == ("n", "d", ())


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.toml"])
def test_data_ten_thousand_levels_deep_stays_text_and_says_so(name: str) -> None:
    text = ("a = " if name.endswith("toml") else "") + "[" * 10_000 + "]" * 10_000
    document = parse(name, text)
    assert document.text == text
    assert document.warnings[0].startswith("kept as text")


def test_a_table_gives_columns_and_rows() -> None:
    document = parse("a.csv", "name;age\nAna;3\nBo;4\n")
    assert document.symbols == ("name", "age")
    assert document.facts == {"shape": "CSV table of 2 rows", "columns": "name, age", "first row": "Ana, 3"}


def test_unparsed_formats_are_found_by_name_with_a_warning() -> None:
    document = PARSERS.parse("papers/report.pdf", b"%PDF-1.7\n" + b"\x00" * 1_234_000)
    assert document.text == ""
    assert document.summary == "PDF document report.pdf, 1.2 MB, not parsed yet: found by name only"
    assert "report.pdf" in document.indexable


def test_binary_bytes_under_a_text_name_are_not_read_as_text() -> None:
    assert PARSERS.parse("a.md", b"\x00\x01\x02").media == "application/octet-stream"


def test_a_page_without_ending_is_known_by_its_first_bytes() -> None:
    assert PARSERS.parse("page", b"<!DOCTYPE html><p>hi").media == "text/html"


def test_a_guessed_encoding_is_reported() -> None:
    document = PARSERS.parse("a.md", "# 记忆数据库\n".encode("gb18030"))
    assert document.title == "记忆数据库"
    assert "GB18030" in document.warnings[0]


def test_a_later_parser_takes_a_format_over() -> None:
    class Mine(TextParser):
        """Takes Markdown."""

        suffixes = (".md",)

    mine = Mine()
    assert ParserSet([*(built_in().choose(n, b"") for n in ("a.md", "a.py")), mine]).choose("a.md", b"") is mine
