"""/search over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.surfaces.http.fake_engine import FakeEngine

AT = "/api/v1/search"


def options_of(engine: FakeEngine, endpoint: str) -> dict[str, Any]:
    return next(how for name, how in engine.state.calls if name == endpoint)


async def test_hits_have_exactly_six_keys_and_are_listed_by_type(http: httpx.AsyncClient) -> None:
    result = (await http.post(f"{AT}/find", json={"query": "tea"})).json()["result"]
    assert set(result) == {"memories", "resources", "skills", "total"}
    assert result["total"] == 2
    hits = result["memories"] + result["resources"]
    assert {frozenset(h) for h in hits} == {frozenset(("context_type", "uri", "level", "score", "abstract", "tags"))}


async def test_passages_folded_hits_and_weaker_ones_are_shown_where_they_are_wanted(http: httpx.AsyncClient) -> None:
    body = {"query": "tea", "include_passage": True, "fold": True, "gap": True}
    for path in ("find", "search"):
        result = (await http.post(f"{AT}/{path}", json=body)).json()["result"]
        assert result["weaker"] == 2
        assert result["memories"][0]["folded"] == ["viking://resources/copy.md"]
        assert result["memories"][0]["passage"] == {
            "text": "Ana likes tea",
            "headings": ["Drinks"],
            "line_start": 3,
            "line_end": 4,
            "marks": [[0, 3], [10, 13]],
        }
        assert result["resources"][0]["passage"] is None


@pytest.mark.parametrize(("field", "option"), [("include_passage", "passages"), ("fold", "fold"), ("gap", "gap")])
async def test_each_of_these_fields_is_passed_on_by_itself(
    http: httpx.AsyncClient, engine: FakeEngine, field: str, option: str
) -> None:
    await http.post(f"{AT}/find", json={"query": "tea", field: True})
    assert {name for name in ("passages", "fold", "gap") if options_of(engine, "find").get(name)} == {option}


async def test_a_score_that_is_no_number_is_zero(http: httpx.AsyncClient) -> None:
    result = (await http.post(f"{AT}/find", json={"query": "tea"})).json()["result"]
    assert result["resources"][0]["score"] == 0.0


async def test_provenance_has_one_entry_a_hit_with_its_sources(http: httpx.AsyncClient) -> None:
    result = (await http.post(f"{AT}/find", json={"query": "tea", "include_provenance": True})).json()["result"]
    assert len(result["provenance"]) == result["total"]
    assert result["provenance"][0]["sources"] == [
        {"uri": "viking://user/ana/sessions/s/messages/m.md", "session_id": "s", "message_id": "m"}
    ]


async def test_reasons_come_with_provenance_alone(http: httpx.AsyncClient) -> None:
    plain = (await http.post(f"{AT}/find", json={"query": "tea"})).json()["result"]
    result = (await http.post(f"{AT}/find", json={"query": "tea", "include_provenance": True})).json()["result"]
    assert set(result) - set(plain) == {"provenance", "trajectory"}
    assert set(result["trajectory"]) == {"stages", "taken", "cut", "degraded", "confidence", "answerable"}
    assert [set(one) for one in result["provenance"]] == [{"uri", "sources", "features"}] * result["total"]


async def test_why_not_lists_gates_places_and_the_nearest_change(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {"query": "tea", "uri": "viking://resources/a.md", "limit": 10, "score_threshold": 0.2}
    result = (await http.post(f"{AT}/why-not", json=body)).json()["result"]
    assert result == {
        "uri": "viking://resources/a.md",
        "found": False,
        "gates": [{"name": "limit", "open": False, "detail": "it is hit 14, the limit is 10"}],
        "score": 0.3,
        "ranks": {"words": 3, "meaning": {"static": 9}, "fused": 14, "entries": 40},
        "nearest": {"parameter": "limit", "value": 14, "text": "raise limit to 14"},
    }
    assert options_of(engine, "why_not")["options"]["score_threshold"] == 0.2


async def test_degraded_parts_are_named_in_a_header(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.state.degraded = ("embed", "rerank")
    for path, body in (("find", {}), ("search", {}), ("search", {"mode": "context"}), ("recall", {})):
        answer = await http.post(f"{AT}/{path}", json={"query": "tea", **body})
        assert answer.headers["X-Recalld-Degraded"] == "embed,rerank"
    engine.state.degraded = ()
    assert "X-Recalld-Degraded" not in (await http.post(f"{AT}/find", json={"query": "tea"})).headers


@pytest.mark.parametrize(
    ("sent", "level"), [(1, [1]), ("0,2", [0, 2]), ([0, 1], [0, 1]), (0, [0])], ids=["one", "csv", "list", "zero"]
)
async def test_levels_come_as_number_text_or_list(
    http: httpx.AsyncClient, engine: FakeEngine, sent: object, level: list[int]
) -> None:
    assert (await http.post(f"{AT}/find", json={"query": "tea", "level": sent})).status_code == 200
    assert options_of(engine, "find")["level"] == level


@pytest.mark.parametrize("sent", ["memory,skill", ["memory", "skill"], ["memory, skill"]])
async def test_types_come_as_text_or_list(http: httpx.AsyncClient, engine: FakeEngine, sent: object) -> None:
    await http.post(f"{AT}/find", json={"query": "tea", "context_type": sent})
    assert options_of(engine, "find")["context_type"] == ["memory", "skill"]


async def test_node_limit_wins_over_limit(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await http.post(f"{AT}/find", json={"query": "tea", "limit": 3, "node_limit": 5})
    assert options_of(engine, "find")["limit"] == 5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": "  "},
        {"query": "x", "limit": 0},
        {"query": "x", "bogus": 1},
        {"query": "x", "level": 3},
        {"query": "x", "context_type": "message"},
        {"query": "x", "image_url": "https://example.org/a.png"},
        {"query": "x", "time_field": "deleted_at"},
        {"query": "x", "telemetry": {"detail": True}},
        {"query": "x", "quotas": {"events": 1}},
    ],
)
async def test_find_refuses(http: httpx.AsyncClient, engine: FakeEngine, body: dict[str, Any]) -> None:
    answer = await http.post(f"{AT}/find", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")
    assert engine.state.calls == []


async def test_context_only_fields_are_refused_in_a_list_search(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{AT}/search", json={"query": "x", "max_tokens": 800, "quotas": {"events": 1}})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"] == ["max_tokens", "quotas"]


async def test_null_context_fields_do_not_count_as_sent(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{AT}/search", json={"query": "x", "quotas": None, "detail": None})).status_code == 200


async def test_a_list_search_passes_its_session(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await http.post(f"{AT}/search", json={"query": "x", "session_id": "s-1"})
    assert options_of(engine, "search")["session_id"] == "s-1"


async def test_a_context_block_is_entries_rendered_digest_and_stats(http: httpx.AsyncClient) -> None:
    result = (await http.post(f"{AT}/search", json={"query": "x", "mode": "context"})).json()["result"]
    assert set(result) == {"entries", "rendered", "digest", "stats"}
    assert set(result["entries"][0]) == {"uri", "category", "score", "detail", "text", "origin"}
    assert result["rendered"] == "<memory>Ana likes tea</memory>"


async def test_everything_a_recall_hook_sends_is_understood(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    hook = {
        "query": "x",
        "mode": "context",
        "purpose": "coding",
        "score_threshold": 0.35,
        "session_id": "cc-1",
        "dedup_turns": 5,
        "quotas": {"events": 2, "skills": 0},
        "max_tokens": 1600,
        "peer_scope": "actor",
        "query_expansion": "off",
        "exclude_uris": ["viking://resources/a.md"],
        "rewrite": "auto",
        "rewrite_max_bullets": 6,
    }
    assert (await http.post(f"{AT}/search", json=hook)).status_code == 200
    assert options_of(engine, "assemble") == {
        "query": "x",
        "purpose": "coding",
        "score_min": 0.35,
        "session_id": "cc-1",
        "quotas": {"events": 2, "skills": 0},
        "max_tokens": 1600,
        "all_peers": False,
        "query_expansion": False,
        "exclude": ["viking://resources/a.md"],
        "dedup_turns": 5,
        "rewrite": "auto",
        "rewrite_max_bullets": 6,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"target_uri": "viking://resources"},
        {"quotas": {"dreams": 1}},
        {"detail": {"dreams": "full"}},
        {"max_tokens": 63},
        {"max_tokens": 32_001},
        {"dedup_turns": 101},
        {"rewrite_max_bullets": 0},
        {"exclude_uris": ["viking://resources/a"] * 201},
        {"query_expansion": "maybe"},
    ],
)
async def test_a_context_block_refuses(http: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    answer = await http.post(f"{AT}/search", json={"query": "x", "mode": "context", **fields})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "fields",
    [{"query": ""}, {"max_tokens": 1}, {"dedup_turns": -1}, {"exclude_uris": 7}, {"target_uri": "viking://resources"}],
)
async def test_refusals_of_known_fields_never_look_like_an_old_server(
    http: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    """Hooks put a server aside for six hours when a 400 says extra, mode or unexpected."""
    answer = await http.post(f"{AT}/search", json={"query": "x", "mode": "context", **fields})
    assert answer.status_code == 400
    assert not any(word in answer.text.lower() for word in ("extra", "mode", "unexpected"))


async def test_broken_json_never_looks_like_an_old_server(http: httpx.AsyncClient) -> None:
    for body in (b'{"query": nope', b"\x80", b'{"query": NaN}'):
        answer = await http.post(f"{AT}/search", content=body)
        assert answer.status_code == 400
        assert not any(word in answer.text.lower() for word in ("extra", "mode", "unexpected"))


async def test_recall_is_deprecated_and_says_what_follows(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    answer = await http.post(
        f"{AT}/recall",
        json={"query": "x", "max_chars": 4000, "min_score": 0.2, "quotas": {"events": 2}, "session_id": "s"},
    )
    assert answer.headers["Deprecation"] == "true"
    assert answer.headers["Link"] == '</api/v1/search/search>; rel="successor-version"'
    deprecation = answer.json()["result"]["stats"]["deprecated"]
    assert deprecation["aliases_used"] == ["max_chars", "min_score"]
    assert deprecation["successor_body"]["quotas"] == {"events": 2, "entities": 10, "preferences": 3, "experiences": 0}
    options = options_of(engine, "assemble")
    assert (options["max_tokens"], options["score_min"], options["purpose"]) == (1000, 0.2, "coding")


async def test_recalls_successor_body_is_accepted_by_the_successor(http: httpx.AsyncClient) -> None:
    deprecation = (await http.post(f"{AT}/recall", json={"query": "x"})).json()["result"]["stats"]["deprecated"]
    assert (await http.post(deprecation["successor"], json=deprecation["successor_body"])).status_code == 200


async def test_recall_without_render_has_no_block(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{AT}/recall", json={"query": "x", "render": False})).json()["result"]["rendered"] == ""


async def test_grep_answers_lines(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await engine.write("viking://resources/a.md", "one\ntwo tea\n")
    body = {"uri": "viking://resources", "pattern": "tea", "case_insensitive": True, "node_limit": 5, "level_limit": 2}
    result = (await http.post(f"{AT}/grep", json=body)).json()["result"]
    assert result == {
        "matches": [{"line": 2, "uri": "viking://resources/a.md", "content": "two tea"}],
        "count": 1,
        "match_count": 1,
        "files_scanned": 1,
        "truncated": False,
    }
    options = options_of(engine, "grep")
    assert (options["ignore_case"], options["limit"], options["depth"]) == (True, 5, 2)


async def test_glob_answers_addresses(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await engine.write("viking://resources/a.md", "x")
    result = (await http.post(f"{AT}/glob", json={"pattern": "**/*.md"})).json()["result"]
    assert result["count"] == len(result["matches"]) > 0
