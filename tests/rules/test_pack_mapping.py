"""Parsing the files of a pack."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.document import Tiers
from recalld.domain.errors import Invalid
from recalld.domain.node import Kind, Node
from recalld.domain.uri import Uri
from recalld.rules.pack_mapping import (
    PackLayout,
    lines_of,
    loads,
    moved_source,
    read_record,
    record_json,
    session_config,
    tiers_of,
)
from recalld.rules.sidecar import render

DOCS = Uri.parse("viking://resources/docs")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def test_a_record_reads_as_it_was_written() -> None:
    source = {"path": "tea.md", "sha256": "0" * 64}
    node = Node(1, DOCS / "tea.md", Kind.FILE, updated_at=1_700_000_000.5, tags=("kind=drink",), source=source)
    found = read_record(record_json("tea.md", node, 2, "About tea.\nMore."), DOCS)
    assert found is not None
    assert (found.path, found.level, found.tags) == ("tea.md", 2, ("kind=drink",))
    assert (found.updated_at, found.source) == (1_700_000_000.5, source)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (f"{DOCS}/a/tea.md", "a/tea.md"),
        (f"{DOCS}/a/.abstract.md", "a"),
        (f"{DOCS}/.overview.md", ""),
        (str(DOCS), ""),
        ("viking://resources/docs2/a", None),
        ("viking://resources", None),
        (5, None),
    ],
)
def test_a_record_may_name_its_entry_by_its_address(uri: object, path: str | None) -> None:
    found = read_record(json.dumps({"uri": uri, "tags": ["a=b"]}).encode(), DOCS)
    assert (None if found is None else found.path) == path


@given(st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode))
def test_any_line_is_a_record_or_none_or_refused(line: bytes) -> None:
    try:
        read_record(line, DOCS)
    except Invalid:
        return


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("path", "level", "tags", "search_tags", "updated_at", "source"), JSON)
    )
)
def test_a_record_of_any_form_keeps_bounds(payload: dict[str, Any]) -> None:
    found = read_record(json.dumps(payload).encode(), DOCS)
    assert found is None or (found.level in {0, 1, 2} and 0 <= found.updated_at < 1e11 and len(found.tags) <= 64)


@pytest.mark.parametrize("made_by", ["extractive", "caller", "caller:abstract"])
def test_sidecars_round_trip_tiers_and_their_author(made_by: str) -> None:
    tiers = Tiers("All about tea.", "# Tea\n\n- oolong", made_by)
    texts = [render(DOCS, level, tiers, 3, pending=False) for level in (0, 1)]
    assert tiers_of(*texts) == tiers


def test_sidecars_of_other_programs_are_taken_by_their_words() -> None:
    assert tiers_of("All about tea.\n", "") == Tiers("All about tea.", "", "pack")
    skill = "---\nname: brew\ndescription: Brew tea\n---\n"
    assert tiers_of(skill, "").abstract == skill.strip()
    assert len(tiers_of("x" * 9_999, "y" * 9_999).overview) == 4_000


def test_quotes_move_with_their_user() -> None:
    ana, bob = Uri(("user", "ana")), Uri(("user", "bob"))
    source = {"session": "trip", "messages": [f"{ana}/sessions/trip/messages/1.md", "viking://resources/a"]}
    moved = moved_source(source, ana, bob)["messages"]
    assert moved == [f"{bob}/sessions/trip/messages/1.md", "viking://resources/a"]
    assert moved_source(source, ana, ana) == source


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("resources/docs/tea.md", "files"),
        ("resources/docs/.hidden", "files"),
        ("resources/docs/.abstract.md", "sidecars"),
        ("resources/docs/.relations.json", "left_out"),
        ("resources/.watch_tasks.json", "left_out"),
        ("user/ana/memories/profile.md", "files"),
        ("user/ana/sessions/trip/messages.jsonl", "sessions"),
        ("user/ana/sessions/trip/history/archive_001/.done", "sessions"),
        ("user/ana/sessions/trip/tool-results/tr_1/output.txt", "outputs"),
        ("user/ana/sessions/trip/other.txt", "left_out"),
    ],
)
def test_every_file_goes_where_it_belongs(path: str, what: str) -> None:
    found = PackLayout()
    found.take(path, Uri(tuple(path.split("/"))), False)
    assert getattr(found, what)
    assert not any(getattr(found, other) for other in ("files", "sidecars", "left_out", "outputs") if other != what)


def test_a_sessions_policies_come_along_and_what_is_none_does_not() -> None:
    payload = {
        "memory_policy": {"self": {"enabled": False}, "peer": 5, "memory_types": ["events"], "more": 1},
        "auto_commit_policy": {"message_count_threshold": 9, "more": 1, "keep_recent_count": -1},
        "memory_extraction_config": {"events": {"tags": ["a=b"]}},
        "message_count": 3,
    }
    assert session_config(json.dumps(payload).encode()) == {
        "memory_policy": {"self": {"enabled": False}, "memory_types": ["events"]},
        "auto_commit_policy": {"message_count_threshold": 9},
        "memory_extraction_config": {"events": {"tags": ["a=b"]}},
    }


@given(st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode))
def test_policies_of_any_form_are_taken_or_left(data: bytes) -> None:
    assert set(session_config(data)) <= {"memory_policy", "auto_commit_policy", "memory_extraction_config"}


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b'"\\ud800x"', "?x"),
        (b"9" * 30, 1e30),
        (b'{"a": [1, -9223372036854775808]}', {"a": [1, -(2**63)]}),
        ("[" * 101 + "]" * 101, None),
        ("[" * 100_000, None),
        (b"9" * 5_000, None),
        (b"[NaN]", None),
        (b"[Infinity]", None),
        (b"\xff", None),
    ],
)
def test_untrusted_json_is_storable_or_refused(data: bytes | str, payload: Any) -> None:
    raw = data if isinstance(data, bytes) else data.encode()
    if payload is None:
        with pytest.raises(Invalid):
            loads(raw, "it")
    else:
        found = loads(raw, "it")
        assert found == payload
        assert orjson.loads(orjson.dumps(found)) == payload


def test_messages_are_lines_of_json() -> None:
    assert list(lines_of(b'{"a":1}\n\n{"b":2}')) == [{"a": 1}, {"b": 2}]
    for bad in (b"[1]", b"{", b"\xff"):
        with pytest.raises(Invalid):
            list(lines_of(bad))
