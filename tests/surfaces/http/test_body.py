"""Bodies: limits, depth, malformed JSON."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.infra.thread_pool import Pool
from recalld.surfaces.http import body as bodies
from recalld.surfaces.http.app import Application
from recalld.surfaces.http.body import JSON_BYTES_MAX, VALUES_MAX, decode_json, values_in
from tests.surfaces.http.fake_engine import FakeEngine
from tests.surfaces.http.raw import posted

FIND = "/api/v1/search/find"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda kids: st.lists(kids) | st.dictionaries(st.text(), kids),
    max_leaves=60,
)


def count(value: Any) -> int:
    """Commas and opening brackets, counted on the value itself."""
    if isinstance(value, list | dict):
        kids = list(value.values()) if isinstance(value, dict) else value
        return 1 + max(0, len(kids) - 1) + sum(count(k) for k in kids)
    return 0


@given(JSON, st.integers(2, 40))
def test_values_are_counted_outside_strings_wherever_the_slices_fall(value: Any, size: int) -> None:
    before, bodies._SLICE = bodies._SLICE, size
    try:
        assert values_in(orjson.dumps(value)) == count(value)
    finally:
        bodies._SLICE = before


@pytest.fixture
def pool() -> Any:
    pool = Pool("test", running_max=1, waiting_max=1)
    yield pool
    pool.close()


async def test_commas_in_texts_are_no_values(pool: Pool) -> None:
    text = "1,2,[3],{4}," * 50_000
    assert await decode_json(orjson.dumps({"content": text}), pool) == {"content": text}


async def test_a_body_of_too_many_values_is_refused_before_it_is_decoded(pool: Pool) -> None:
    with pytest.raises(Invalid, match="values"):
        await decode_json(b"[" + b"[]," * VALUES_MAX + b"[]]", pool)


@pytest.mark.parametrize("depth", [101, 10_000, 300_000])
async def test_deep_json_is_refused(http: httpx.AsyncClient, depth: int) -> None:
    filter_ = b'{"a":' * depth + b"1" + b"}" * depth
    answer = await http.post(FIND, content=b'{"query":"x","filter":' + filter_ + b"}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")


async def test_a_hundred_levels_are_read(pool: Pool) -> None:
    value = await decode_json(b"[" * 100 + b"]" * 100, pool)
    assert value
    with pytest.raises(Invalid, match="deeper"):
        await decode_json(b"[" * 102 + b"]" * 102, pool)


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"{", b"[]", b'"x"', b"7", b"{'query':'x'}", b'{"query":NaN}', b"\xff\xfe"],
)
async def test_malformed_requests_are_refused(http: httpx.AsyncClient, content: bytes) -> None:
    answer = await http.post(FIND, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")


async def test_a_missing_body_is_reported_as_missing_fields(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/fs/mkdir")
    assert answer.json()["error"]["message"].startswith("Invalid request parameters: body.uri: Field required")


@pytest.mark.parametrize(
    ("headers", "taken_max"),
    [([(b"content-length", b"1073741824")], 0), ([], JSON_BYTES_MAX // 1_048_576 + 1)],
    ids=["declared", "counted"],
)
async def test_a_gigabyte_is_refused_early(
    app: Application, headers: list[tuple[bytes, bytes]], taken_max: int
) -> None:
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * 1_048_576, "more_body": taken < 1024}

    assert await posted(app, FIND, receive, headers) == 413
    assert taken == taken_max


async def test_a_long_query_is_input(http: httpx.AsyncClient) -> None:
    assert (await http.post(FIND, json={"query": "tea " * 87_000})).status_code == 200


async def test_a_large_answer_is_the_same_as_a_small_one(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    text = '日本 "quoted" \n' * 40_000
    await engine.write("viking://resources/a.md", text)
    answer = await http.get("/api/v1/content/read", params={"uri": "viking://resources/a.md"})
    assert answer.json()["result"] == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"content":"blue door \\ud83d"}', "blue door \ufffd"),
        (b'{"content":"\\ude00 blue"}', "\ufffd blue"),
        (b'{"content":"\\ud83d\\ud83d\\ude00"}', "\ufffd\U0001f600"),
        (b'{"content":"\\\\ud83d \\ud83d"}', "\\ud83d \ufffd"),
        (b'\xef\xbb\xbf{"content":"x"}', "x"),
        ('{"content":"caf\u00e9 au lait"}'.encode("cp1252"), "caf\u00e9 au lait"),
        (
            '{"content":"\u0414\u043e\u0433\u043e\u0432\u043e\u0440 \u043f\u043e\u0434\u043f\u0438\u0441\u0430\u043d"}'.encode(
                "cp1251"
            ),
            "\u0414\u043e\u0433\u043e\u0432\u043e\u0440 \u043f\u043e\u0434\u043f\u0438\u0441\u0430\u043d",
        ),
        (b'{"content":"blue door \xf0\x9f"}', "blue door \ufffd"),
        ('{"content":"wide"}'.encode("utf-16"), "wide"),
    ],
)
@pytest.mark.parametrize("padding", [0, 100_000])
async def test_odd_characters_lose_no_message(pool: Pool, data: bytes, text: str, padding: int) -> None:
    padded = (
        data if not padding else data[:-1] + b" " * padding + data[-1:] if not data.startswith(b"\xff\xfe") else data
    )
    assert await decode_json(padded, pool) == {"content": text}


@pytest.mark.parametrize("data", [b'{"a": NaN}', b'{"a": "\\ud83d"', b"\xef\xbb\xbf", b'{"a": "\\ud8zz"}', b"{'a': 1}"])
async def test_invalid_json_is_refused(pool: Pool, data: bytes) -> None:
    with pytest.raises(Invalid, match="not JSON"):
        await decode_json(data, pool)


@given(JSON)
def test_repairing_json_that_is_whole_changes_nothing(value: Any) -> None:
    assert orjson.loads(bodies.repaired(orjson.dumps(value))) == value
