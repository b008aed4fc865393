"""The contract of parsers, for every format family."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recalld.adapters.parser as package
from recalld.domain.document import Document
from recalld.ports.parser import Parser
from recalld.ports.plugin import Plugin
from recalld.rules.sections import layout
from tests.fakes.parsers import built_in

MODULES = [import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
PLUGINS: list[Plugin] = [module.plugin for module in MODULES if hasattr(module, "plugin")]
PARSERS: list[Parser] = [plugin.make(plugin.settings()) for plugin in PLUGINS]
NAMES = [suffix.lstrip(".") for parser in PARSERS for suffix in parser.suffixes]
every_parser = pytest.mark.parametrize("parser", PARSERS, ids=[plugin.name for plugin in PLUGINS])

HOSTILE = {
    "empty": b"",
    "nul": b"\x00" * 1_000,
    "invalid utf-8": b"\xff\xfe\xfd\x80" * 500,
    "half a mark": b"\xef\xbb",
    "deep json": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000,
    "deep yaml": b"- " * 10_000 + b"x",
    "deep toml": b"a = " + b"[" * 10_000,
    "deep html": b"<div>" * 5_000,
    "deep code": b"(" * 20_000,
    "broken code": b"a(b[c{" * 1_000,
    "one line": b"word " * 20_000,
    "one word": b"x" * 100_000,
    "only newlines": b"\n" * 50_000,
    "only marks": b"`*_#[<|-" * 3_000,
    "open tags": b"<p <!-- <script" * 1_000,
    "open quote": b'"' * 20_001,
    "yaml bomb": b"a: &a [x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(20)),
    "front matter without end": b"---\n" + b"a: b\n" * 20_000,
    "deep front matter": b"---\n" + b"- " * 5_000 + b"x\n---\nwords\n",
    "wide text": "\ufeff数据".encode("utf-16-le") * 50,
}
every_hostile = pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())


def holds(document: Document) -> None:
    """What every document promises."""
    assert "/" in document.media
    document.text.encode("utf-8")
    assert "".join(section.text for section in document.sections) in {"", document.text}
    assert all(isinstance(value, str) for value in document.facts.values())


@every_parser
def test_it_claims_endings_in_lower_case_with_their_dot(parser: Parser) -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in parser.suffixes)
    assert all(name == name.lower() for name in parser.names)


@every_hostile
@every_parser
def test_it_makes_a_document_of_hostile_bytes(parser: Parser, data: bytes) -> None:
    for suffix in parser.suffixes[:3] or ("",):
        holds(parser.parse(f"file{suffix}", data))


@every_parser
@given(st.binary(max_size=600))
def test_it_makes_a_document_of_any_bytes(parser: Parser, data: bytes) -> None:
    holds(parser.parse(f"file{parser.suffixes[0]}", data))


@every_parser
@given(st.text(st.sampled_from("<>/=\"'{}[]():;,.#-*`\n abp1é你"), max_size=400))
def test_it_makes_a_document_of_any_text(parser: Parser, text: str) -> None:
    holds(parser.parse(f"file{parser.suffixes[0]}", text.encode()))


@every_parser
def test_it_gives_the_same_document_every_time(parser: Parser) -> None:
    data = b"# Title\n\nname: x\n\n<p>words</p>\n"
    assert parser.parse("a" + parser.suffixes[0], data) == parser.parse("a" + parser.suffixes[0], data)


@every_hostile
def test_all_together_take_hostile_bytes_under_every_name(data: bytes) -> None:
    parsers = built_in()
    for name in ("a.md", "a.json", "a.yaml", "a.html", "a.py", "a.cpp", "a.csv", "a.pdf", "noname"):
        document = parsers.parse(name, data)
        holds(document)
        assert "".join(part.text for part in layout(name, document)) == document.text


@given(st.sampled_from(NAMES), st.binary(max_size=200))
def test_all_together_take_any_ending(ending: str, data: bytes) -> None:
    holds(built_in().parse(f"dir/file.{ending}", data))
