"""The log, versions and undo over HTTP, against a real engine; answers are checked against the document."""

from __future__ import annotations

from tests.scenarios.test_http_index_operations import DIR, A, Api, api

__all__ = ["api"]


async def test_a_change_is_listed_compared_restored_and_undone(api: Api) -> None:
    for text in ("one\n", "two\n"):
        await api("POST", "/content/write", json={"uri": A, "content": text})
    log = await api("GET", "/log", params={"under": DIR})
    assert [e["op"] for e in log["entries"]] == ["write", "create", "create"]
    assert log["next"] is None
    versions = (await api("GET", "/fs/history", params={"uri": A}))["versions"]
    assert [(v["op"], v["size"], v["kept"]) for v in versions] == [("write", 4, True), ("create", 4, True)]
    first = versions[-1]["seq"]
    assert await api("GET", "/content/read", params={"uri": A, "at": first}) == "one\n"
    diff = await api("GET", "/content/diff", params={"uri": A, "from": first})
    assert "+two" in diff["diff_text"]
    restored = await api("POST", "/fs/history/restore", json={"uri": A, "at": str(first)})
    assert restored["written"] == [A]
    assert await api("GET", "/content/read", params={"uri": A}) == "one\n"
    planned = await api("POST", "/log/undo", json={"dry_run": True})
    done = await api("POST", "/log/undo", json={})
    assert (planned["dry_run"], planned["seq"], done["dry_run"]) == (True, None, False)
    assert planned["written"] == done["written"] == [A]
    assert await api("GET", "/content/read", params={"uri": A}) == "two\n"


async def test_a_removal_and_a_move_are_undone(api: Api) -> None:
    await api("POST", "/content/write", json={"uri": A, "content": "one"})
    await api("DELETE", "/fs", params={"uri": DIR, "recursive": True})
    assert (await api("POST", "/log/undo", json={"wait": True}))["restored"] == [DIR]
    await api("POST", "/fs/mv", json={"from_uri": A, "to_uri": f"{DIR}/b.md"})
    assert (await api("POST", "/log/undo", json={}))["moved"] == [{"from": f"{DIR}/b.md", "to": A}]
    assert await api("GET", "/content/read", params={"uri": A}) == "one"


async def test_invalid_requests_are_refused_in_the_envelope(api: Api) -> None:
    await api("POST", "/content/write", json={"uri": A, "content": "one"})
    assert await api.refused("POST", "/log/undo", json={"seq": 99_999}) == (404, "NOT_FOUND")
    assert await api.refused("POST", "/log/undo", json={"seq": 1, "cause": "x"}) == (400, "INVALID_ARGUMENT")
    assert await api.refused("GET", "/fs/history", params={"uri": f"{DIR}/no.md"}) == (404, "NOT_FOUND")
    assert await api.refused("GET", "/content/read", params={"uri": A, "at": "yesterday"}) == (400, "INVALID_ARGUMENT")
    assert await api.refused("GET", "/content/read", params={"uri": A, "at": "0"}) == (404, "NOT_FOUND")
    stale = {"uri": A, "content": "two", "if_version": 9}
    assert await api.refused("POST", "/content/write", json=stale) == (409, "WRITE_CONFLICT")


async def test_purged_removals_cannot_be_restored(api: Api) -> None:
    await api("POST", "/content/write", json={"uri": A, "content": "one"})
    await api("POST", "/content/write", json={"uri": f"{DIR}/b.md", "content": "two"})
    await api("DELETE", "/fs", params={"uri": A})
    assert (await api("POST", "/log/purge", json={"older_than": "1d"}))["contents"] == 0
    done = await api("POST", "/log/purge", json={"older_than": "0s"})
    assert (done["contents"], done["free_bytes"] > 0) == (1, True)
    assert await api.refused("POST", "/log/undo", json={}) == (412, "FAILED_PRECONDITION")
    assert await api("GET", "/content/read", params={"uri": f"{DIR}/b.md"}) == "two"
    assert await api.refused("POST", "/log/purge", json={"older_than": "9999"}) == (400, "INVALID_ARGUMENT")
    assert await api.refused("POST", "/log/purge", json={"older_than": "2999-01-01"}) == (400, "INVALID_ARGUMENT")
