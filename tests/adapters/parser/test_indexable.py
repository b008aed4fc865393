"""Data formats and notebooks are indexed by their decoded text."""

from __future__ import annotations

import base64
import json

import pytest

from recalld.domain.uri import Uri
from recalld.rules.chunks import chunks_of_file
from tests.fakes.parsers import built_in

PARSERS = built_in()
CELLS = [
    {"cell_type": "markdown", "source": ["# Churn study\n", "Churn fell to 4.2 percent after onboarding changed.\n"]},
    {
        "cell_type": "code",
        "source": ["plot()\n"],
        "outputs": [
            {"output_type": "stream", "text": ["mean 4.2\n"]},
            {"output_type": "display_data", "data": {"image/png": base64.b64encode(bytes(range(256)) * 600).decode()}},
            {"output_type": "error", "ename": "ValueError", "evalue": "bad axis"},
        ],
    },
]


@pytest.mark.parametrize(
    ("name", "source", "indexed"),
    [
        ("a.json", json.dumps({"title": "旅行计划", "parts": ["我对核桃过敏"]}), "我对核桃过敏"),
        ("a.jsonl", json.dumps({"text": "München 😀"}) + "\n", "München 😀"),
        ("a.yaml", 'city: "M\\u00fcnchen"\n', "München"),
        ("a.toml", 'city = "M\\u00fcnchen"\n', "München"),
        ("messages_de.properties", "city=M\\u00fcnchen\n", "München"),
        ("a.json", '{"broken": "M\\u00fcnchen"', "München"),
        ("a.json", '{"line": "one\\ntwo \\"three\\""}', 'one\ntwo "three"'),
    ],
)
def test_escaped_characters_are_indexed_as_themselves_under_their_keys(name: str, source: str, indexed: str) -> None:
    document = PARSERS.parse(name, source.encode())
    assert document.text == source
    assert indexed in document.indexable
    assert document.indexable[:6] == source[:6]


@pytest.mark.parametrize(
    ("name", "source"), [("a.json", '{"a": "b"}'), ("a.yaml", "path: C:\\new\n"), ("a.toml", "a = 1\n")]
)
def test_without_escapes_the_source_is_what_is_indexed(name: str, source: str) -> None:
    assert PARSERS.parse(name, source.encode()).indexable == ""


def test_a_notebook_is_its_cells_without_pictures() -> None:
    data = json.dumps({"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    document = PARSERS.parse("study.ipynb", data)
    assert (document.title, document.summary) == ("Churn study", "Churn fell to 4.2 percent after onboarding changed.")
    assert [word in document.indexable for word in ("plot()", "mean 4.2", "bad axis", "AAECAwQF")] == [True] * 3 + [
        False
    ]
    assert len(chunks_of_file(Uri(("resources", "study.ipynb")), document)) == 1


@pytest.mark.parametrize("source", ["{}", "[]", '{"nbformat": 4}', '{"nbformat": 4, "cells": 7}', "not json", ""])
def test_an_invalid_notebook_is_still_a_document(source: str) -> None:
    assert PARSERS.parse("a.ipynb", source.encode()).text == source


@pytest.mark.parametrize("name", ["kestrel.yaml", "kestrel.json", "kestrel.toml", "kestrel.conf"])
def test_a_setting_called_user_begins_no_turn_of_talk(name: str) -> None:
    document = PARSERS.parse(name, b"user: www-data\nworkers: 4\n")
    (chunk,) = chunks_of_file(Uri(("resources", "deploy", name)), document)
    assert {"kestrel", "user"} <= set(chunk.terms)


def test_a_turn_of_talk_in_prose_is_still_one() -> None:
    (chunk,) = chunks_of_file(Uri(("resources", "talk", "m1.md")), PARSERS.parse("m1.md", b"user: I like tea."))
    assert "m1" not in chunk.terms
