"""/fs over HTTP."""

from __future__ import annotations

import httpx
import pytest

from recalld.domain.uri import Uri
from recalld.surfaces.http.serializers import cut
from tests.surfaces.http.fake_engine import FakeEngine

AT = "/api/v1/fs"
ROOT = "viking://resources"


@pytest.fixture(autouse=True)
async def tree(engine: FakeEngine) -> None:
    engine.state.folders |= {Uri.parse(f"{ROOT}/docs"), Uri.parse(f"{ROOT}/new")}
    await engine.write(f"{ROOT}/docs/a.md", "hello")
    await engine.write(f"{ROOT}/b.md", "hello world")
    engine.state.calls.clear()


async def test_entries_for_agents(http: httpx.AsyncClient) -> None:
    rows = (await http.get(f"{AT}/ls", params={"uri": ROOT})).json()["result"]
    by_uri = {r["uri"]: r for r in rows}
    assert by_uri[f"{ROOT}/b.md"] == {
        "uri": f"{ROOT}/b.md",
        "size": 11,
        "isDir": False,
        "modTime": "2023-11-14T22:13:20.125Z",
        "abstract": "A file of words.",
    }
    assert by_uri[f"{ROOT}/docs"]["size"] == 0
    assert by_uri[f"{ROOT}/new"]["abstract"] == f"# {ROOT}/new [Directory abstract is not ready]"


async def test_abstracts_are_cut_with_three_dots(http: httpx.AsyncClient) -> None:
    rows = (await http.get(f"{AT}/ls", params={"uri": ROOT, "abs_limit": 20})).json()["result"]
    docs = next(r for r in rows if r["uri"].endswith("/docs"))
    assert docs["abstract"] == "About it. About i..."


@pytest.mark.parametrize("most", [0, 1, 2, 3, 4, 100])
def test_a_truncated_text_is_never_longer_than_its_limit(most: int) -> None:
    assert len(cut("abcdefgh", most)) <= most


async def test_original_entries_carry_names(http: httpx.AsyncClient) -> None:
    rows = (await http.get(f"{AT}/ls", params={"uri": ROOT, "output": "original"})).json()["result"]
    assert set(rows[0]) == {"name", "size", "mode", "modTime", "isDir", "uri"}
    assert {r["name"] for r in rows} == {"docs", "new", "b.md"}


async def test_simple_entries_are_addresses(http: httpx.AsyncClient) -> None:
    rows = (await http.get(f"{AT}/ls", params={"uri": ROOT, "simple": "true"})).json()["result"]
    assert f"{ROOT}/b.md" in rows


async def test_a_recursive_listing_is_three_levels_flat_with_paths(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    rows = (await http.get(f"{AT}/ls", params={"uri": ROOT, "recursive": "true"})).json()["result"]
    assert {r["rel_path"] for r in rows} == {"docs", "docs/a.md", "new", "b.md"}
    assert engine.state.calls[-1][1]["depth"] == 3


async def test_limit_wins_over_node_limit(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await http.get(
        f"{AT}/ls", params={"uri": ROOT, "node_limit": 9, "limit": 2, "sort_by": "mtime", "sort_order": "desc"}
    )
    options = engine.state.calls[-1][1]
    assert (options["limit"], options["sort_by"], options["descending"]) == (
        3,
        "mtime",
        True,
    )  # one more, to know whether there is more


async def test_a_tree_is_a_flat_list(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    rows = (await http.get(f"{AT}/tree", params={"uri": ROOT, "level_limit": 5})).json()["result"]
    assert set(rows[0]) == {"uri", "size", "isDir", "modTime", "rel_path", "abstract"}
    assert engine.state.calls[-1][1]["depth"] == 5
    rows = (await http.get(f"{AT}/tree", params={"uri": ROOT, "output": "original"})).json()["result"]
    assert {"name", "mode", "rel_path"} <= set(rows[0])


async def test_stat_has_no_address_and_directories_a_count(http: httpx.AsyncClient) -> None:
    file = (await http.get(f"{AT}/stat", params={"uri": f"{ROOT}/b.md"})).json()["result"]
    folder = (await http.get(f"{AT}/stat", params={"uri": ROOT})).json()["result"]
    assert "uri" not in file
    assert "count" not in file
    assert (file["name"], file["isLocked"], folder["count"]) == ("b.md", False, 7)


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("ls", {}, 400, "INVALID_ARGUMENT"),
        ("ls", {"uri": ""}, 400, "INVALID_URI"),
        ("ls", {"uri": "http://x"}, 400, "INVALID_URI"),
        ("ls", {"uri": "viking://temp/x"}, 400, "INVALID_URI"),
        ("ls", {"uri": "viking://resources/../x"}, 403, "PERMISSION_DENIED"),
        ("ls", {"uri": ROOT, "output": "xml"}, 400, "INVALID_ARGUMENT"),
        ("ls", {"uri": ROOT, "limit": "0"}, 400, "INVALID_ARGUMENT"),
        ("ls", {"uri": ROOT, "limit": "many"}, 400, "INVALID_ARGUMENT"),
        ("ls", {"uri": f"{ROOT}/nope"}, 404, "NOT_FOUND"),
        ("tree", {"uri": f"{ROOT}/nope"}, 404, "NOT_FOUND"),
        ("stat", {"uri": f"{ROOT}/nope"}, 404, "NOT_FOUND"),
    ],
)
async def test_refusals(http: httpx.AsyncClient, path: str, params: dict[str, str], status: int, code: str) -> None:
    answer = await http.get(f"{AT}/{path}", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_home_is_the_named_users(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        f"{AT}/mkdir", json={"uri": "viking://~/resources/x"}, headers={"X-OpenViking-User": "ana"}
    )
    assert answer.json()["result"] == {"uri": "viking://user/ana/resources/x"}


async def test_a_second_mkdir_is_a_conflict(http: httpx.AsyncClient) -> None:
    await http.post(f"{AT}/mkdir", json={"uri": f"{ROOT}/y", "description": "why"})
    assert (await http.post(f"{AT}/mkdir", json={"uri": f"{ROOT}/y"})).status_code == 409


async def test_removing_what_is_not_there_is_done(http: httpx.AsyncClient) -> None:
    answer = await http.delete(AT, params={"uri": f"{ROOT}/nope"})
    assert answer.status_code == 200
    assert answer.json()["result"]["estimated_deleted_count"] == 0


async def test_a_removal_that_waits_reports_the_queues(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    answer = await http.delete(AT, params={"uri": f"{ROOT}/docs", "recursive": "true", "wait": "true", "timeout": "3"})
    result = answer.json()["result"]
    assert (result["uri"], result["estimated_deleted_count"]) == (f"{ROOT}/docs", 1)
    assert {"Semantic", "Embedding"} <= set(result["queue_status"])
    assert engine.state.calls[-1] == ("wait", {"timeout_s": 3.0})


async def test_move_and_copy_echo_both_addresses(http: httpx.AsyncClient) -> None:
    body = {"from_uri": f"{ROOT}/b.md", "to_uri": "viking://~/resources/c.md"}
    copied = (await http.post(f"{AT}/cp", json=body)).json()["result"]
    moved = (await http.post(f"{AT}/mv", json=body)).json()["result"]
    assert moved == {"from": f"{ROOT}/b.md", "to": "viking://user/default/resources/c.md"}
    assert copied == {**moved, "recursive": False, "copied_count": 1}
    assert (await http.post(f"{AT}/mv", json=body)).status_code == 404


@pytest.mark.parametrize(
    ("route", "params", "there"),
    [("ls", {}, 3), ("ls", {"recursive": True}, 4), ("ls", {"simple": True}, 3), ("tree", {}, 4)],
)
async def test_a_cut_list_names_the_limit_in_a_header(
    http: httpx.AsyncClient, route: str, params: dict[str, object], there: int
) -> None:
    for limit, header in ((there, None), (there - 1, str(there - 1))):
        answer = await http.get(f"{AT}/{route}", params={"uri": ROOT, "node_limit": limit, **params})
        assert len(answer.json()["result"]) == limit
        assert answer.headers.get("X-Recalld-Truncated") == header
