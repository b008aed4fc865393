"""The files that grep and glob scan include every possible match."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from recalld.adapters.sqlite.ledger import tree_queries
from recalld.domain.commit import Remove
from recalld.domain.node import Kind
from tests.contract.ledger_harness import LedgerHarness, append, at, put
from tests.counted import steps


async def scanned(
    harness: LedgerHarness, path: str, literal: str = "", *, fold: bool = False, depth: int = 9
) -> dict[str, bytes]:
    """Names and bytes of the candidates, read page by page."""
    found: dict[str, bytes] = {}
    after = 0
    while page := await harness.tenant().grep_candidates(
        at(path), literal=literal, fold=fold, depth_max=depth, after=after, limit=2
    ):
        found |= {node.uri.name: data for node, data in page}
        after = page[-1][0].id
    return found


async def store(harness: LedgerHarness, path: str, data: bytes) -> None:
    await harness.do(put(path).replace(data=data, size=len(data), hash=hashlib.sha256(data).hexdigest()))


async def test_messages_are_scanned_as_they_read(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1", "m2", "m3"))
    found = await scanned(harness, "user/ana/sessions/s/messages")
    assert len(found) == 3
    for name, data in found.items():
        assert data == await harness.tenant().read(at(f"user/ana/sessions/s/messages/{name}"))


async def test_a_message_is_found_by_the_line_that_names_its_speaker(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1"))
    folder = "user/ana/sessions/s/messages"
    assert list(await scanned(harness, folder, "user:")) == ["m1.md"]
    assert list(await scanned(harness, folder, "elsewhere")) == []


async def test_messages_are_scanned_only_where_they_lie(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1"), put("user/ana/resources/a.md"))
    assert list(await scanned(harness, "user/ana")) == ["a.md"]


async def test_names_of_a_message_directory_are_its_messages(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1", "m2"))
    named = await harness.tenant().names(at("user/ana/sessions/s/messages"), nodes_max=9)
    assert [(e.rel_path, e.node.kind) for e in named] == [("m1.md", Kind.MESSAGE), ("m2.md", Kind.MESSAGE)]
    assert await harness.tenant().names(at("user/ana/sessions/s"), nodes_max=9) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "gb18030", "utf-8", "utf-8-sig"])
async def test_a_text_in_any_encoding_is_a_candidate(harness: LedgerHarness, encoding: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    await store(harness, "resources/a.txt", mark + "预算会议在星期五 budget".encode(encoding))
    assert list(await scanned(harness, "resources", "星期五")) == ["a.txt"]
    assert list(await scanned(harness, "resources", "budget", fold=True)) == ["a.txt"]


async def test_plain_text_without_the_literal_is_no_candidate(harness: LedgerHarness) -> None:
    await store(harness, "resources/a.txt", "预算会议 budget".encode())
    await store(harness, "resources/b.txt", b"nothing of it")
    assert await scanned(harness, "resources", "星期五") == {}
    assert await scanned(harness, "resources", "train") == {}
    assert list(await scanned(harness, "resources", "Budget")) == []
    assert list(await scanned(harness, "resources", "budget")) == ["a.txt"]


async def test_folding_ignores_ascii_case(harness: LedgerHarness) -> None:
    await store(harness, "resources/a.txt", b"The BUDGET of Paris")
    assert list(await scanned(harness, "resources", "budget", fold=True)) == ["a.txt"]
    assert list(await scanned(harness, "resources", "budget")) == []


async def test_a_literal_behind_a_zero_byte_is_seen(harness: LedgerHarness) -> None:
    await store(harness, "resources/a.txt", b"head\x00tail with a needle")
    assert list(await scanned(harness, "resources", "needle")) == ["a.txt"]
    assert list(await scanned(harness, "resources", "needle", fold=True)) == ["a.txt"]


async def test_a_large_file_is_always_a_candidate(harness: LedgerHarness) -> None:
    text = "y" * 100_000
    assert await harness.blobs.put(text.encode()) == put("resources/a.txt", text).hash
    await harness.do(put("resources/a.txt", text))
    assert await scanned(harness, "resources", "never there") == {"a.txt": text.encode()}


async def test_pages_that_show_nothing_are_no_end(harness: LedgerHarness) -> None:
    await harness.do(*(put(f"resources/other/{n}.md") for n in range(7)), put("resources/here/z.md"))
    assert list(await scanned(harness, "resources/here")) == ["z.md"]


async def test_depth_counts_from_where_the_scan_begins(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"), put("resources/d/b.md"), put("resources/d/e/c.md"))
    assert list(await scanned(harness, "resources", depth=1)) == ["a.md"]
    assert list(await scanned(harness, "resources", depth=2)) == ["a.md", "b.md"]


async def test_binary_and_hidden_files_are_no_candidates(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.png", media="image/png"), put("resources/.env"), put("resources/a.md"))
    assert list(await scanned(harness, "resources")) == ["a.md"]


async def test_a_walk_is_in_pre_order_and_ends_at_its_limits(harness: LedgerHarness) -> None:
    await harness.do(put("resources/b.md"), put("resources/d/e/x.md"), put("resources/d/y.md"), put("resources/f/z.md"))

    async def walked(depth: int, most: int) -> list[str]:
        return [e.rel_path for e in await harness.tenant().walk(at("resources"), depth_max=depth, nodes_max=most)]

    assert await walked(9, 99) == ["d", "d/e", "d/e/x.md", "d/y.md", "f", "f/z.md", "b.md"]
    assert await walked(1, 99) == ["d", "f", "b.md"]
    assert await walked(9, 4) == ["d", "d/e", "d/e/x.md", "d/y.md"]


async def test_a_walk_from_the_root_shows_what_is_there_before_anything_was_written(harness: LedgerHarness) -> None:
    found = [e.rel_path for e in await harness.tenant().walk(at(""), depth_max=3, nodes_max=99)]
    assert {"agent", "resources", "user", "user/ana", "user/ana/memories", "user/ana/sessions"} <= set(found)


@pytest.mark.parametrize("files", [60, pytest.param(3_000, marks=pytest.mark.slow)])
async def test_one_read_of_a_scan_looks_at_a_bounded_number_of_files(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Whether or not it finds anything: what is nowhere takes no longer read than what is everywhere."""
    monkeypatch.setattr(tree_queries, "SCANNED_NODES", 10)
    for start in range(0, files, 20):
        await harness.do(*(put(f"resources/{n:05}.md", f"some words {n} here") for n in range(start, start + 20)))
    costs, scan = [], harness.readers.scan

    async def counted(work: Callable[[apsw.Connection], Any], **rest: Any) -> Any:
        def count(c: apsw.Connection) -> Any:
            found: list[Any] = []
            costs.append(steps(c, lambda: found.append(work(c))))
            return found[0]

        return await scan(count, **rest)

    monkeypatch.setattr(harness.readers, "scan", counted)
    assert await scanned(harness, "resources", "nowhere to be found") == {}
    assert len(costs) >= files // 10
    assert max(costs) <= 4 * min(costs[:-1])


async def test_one_read_of_a_scan_takes_a_bounded_number_of_bytes(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_queries, "SCANNED_BYTES", 100)
    texts = {f"{n}.md": f"needle {n} {'x' * 60}" for n in range(6)} | {"z.md": f"needle {'y' * 500}"}
    for name, text in texts.items():
        await harness.do(put(f"resources/{name}", text))
    page = await harness.tenant().grep_candidates(
        at("resources"), literal="", fold=False, depth_max=9, after=0, limit=99
    )
    assert len(page) == 1
    assert set(await scanned(harness, "resources", "needle")) == set(texts)


async def test_messages_are_scanned_from_the_session_alone(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_queries, "SCANNED_MESSAGES", 2)
    await harness.do(append("before", "x1"), append("s", "m1", "m2", "m3"), append("t", "y1"), append("s", "m4", "m5"))
    await harness.do(Remove(at("user/ana/sessions/s/messages/m3.md")))
    assert list(await scanned(harness, "user/ana/sessions/s/messages")) == ["m1.md", "m2.md", "m4.md", "m5.md"]


async def test_a_count_is_that_of_the_listing(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1"), put("resources/d/a.md"), put("resources/d/.b"), put("resources/d/e/c.md"))
    for path in ("resources", "resources/d", "user/ana", "user", "user/ana/sessions", "user/ana/sessions/s", "agent"):
        listed = await harness.tenant().list(at(path), limit=99)
        assert await harness.tenant().count(at(path)) == len(listed), path
    assert await harness.tenant().count(at("resources/d/a.md")) == 0
