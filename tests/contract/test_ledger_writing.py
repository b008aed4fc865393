"""The backlog of a language model: pending tiers, cached generations, usage."""

from __future__ import annotations

from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, KeepMade, RecordUsage, Remove, SetTiers
from recalld.domain.document import Tiers
from recalld.rules.generation_cache_key import FAILED, OVER_BUDGET
from tests.contract.ledger_harness import ANA, BEN, LedgerHarness, at, put

SHARED = Caller("acme", "")
BY = "m@1"
PLAIN, GOOD = Tiers("a", "o"), Tiers("better", "o", BY)


async def left(harness: LedgerHarness, tree: Caller = SHARED, **more: Any) -> list[str]:
    found = await harness.ledger.backlog.unwritten(tree, by=BY, limit=more.get("limit", 99))
    seen = [await harness.ledger.backlog.tiered(tree, node, entries_max=9) for node in found]
    return [str(one.node.uri).removeprefix("viking://") for one in seen if one is not None]


async def described(
    harness: LedgerHarness, path: str, tiers: Tiers, tree: Caller = ANA, *, stale: bool = False
) -> None:
    tenant = harness.ledger.tenant(tree)
    node = await tenant.stat(at(path))
    seen = await harness.ledger.backlog.tiered(tree, node.id, entries_max=9)
    assert seen is not None
    await tenant.commit(Commit((SetTiers(node.id, node.version, tiers, (), 0 if stale else seen.seq),)))


async def test_the_deepest_are_written_first_and_only_what_has_words(harness: LedgerHarness) -> None:
    await harness.do(
        put("resources/x/y/b.md", tiers=PLAIN), put("resources/a.md", tiers=PLAIN), put("resources/large.md")
    )
    await described(harness, "resources/x", PLAIN)
    assert await left(harness) == ["resources/x/y/b.md", "resources/a.md", "resources/x"]
    assert await left(harness, limit=1) == ["resources/x/y/b.md"]


async def test_tiers_settled_by_writer_caller_or_budget_are_not_pending(harness: LedgerHarness) -> None:
    for name, by in (
        ("a", BY),
        ("b", BY + FAILED),
        ("c", OVER_BUDGET),
        ("d", "caller"),
        ("e", "caller:abstract"),
        ("f", "m@0"),
    ):
        await harness.do(put(f"resources/{name}.md", tiers=Tiers("a", "o", by)))
    assert await left(harness) == ["resources/f.md"]


async def test_a_directory_whose_children_changed_since_is_left_again(harness: LedgerHarness) -> None:
    await harness.do(put("resources/x/a.md", tiers=GOOD))
    await described(harness, "resources/x", GOOD)
    assert await left(harness) == []
    await harness.do(put("resources/x/a.md", "other words", tiers=GOOD))
    assert await left(harness) == ["resources/x"]


async def test_memories_skills_and_sessions_are_never_rewritten(harness: LedgerHarness) -> None:
    for path in (
        "memories/a.md",
        "skills/s/SKILL.md",
        "resources/r.md",
        "peers/p/memories/m.md",
        "resources/.hidden/h.md",
    ):
        await harness.do(put(f"user/ana/{path}", tiers=PLAIN))
    assert await left(harness, ANA) == ["user/ana/resources/r.md"]
    assert await left(harness, BEN) == []


async def test_removed_nodes_are_not_pending(harness: LedgerHarness) -> None:
    await harness.do(put("resources/x/a.md", tiers=PLAIN))
    node = await harness.ledger.tenant(ANA).stat(at("resources/x/a.md"))
    await harness.do(Remove(at("resources/x"), recursive=True))
    assert await left(harness) == []
    assert await harness.ledger.backlog.tiered(SHARED, node.id, entries_max=9) is None


async def test_a_node_is_hidden_from_callers_without_access(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/resources/r.md", tiers=PLAIN))
    node = await harness.ledger.tenant(ANA).stat(at("user/ana/resources/r.md"))
    assert await harness.ledger.backlog.tiered(BEN, node.id, entries_max=9) is None
    assert await harness.ledger.backlog.tiered(Caller("other", "ana"), node.id, entries_max=9) is None


async def test_an_answer_is_kept_until_replaced_content_goes(harness: LedgerHarness) -> None:
    await harness.do(KeepMade("key", GOOD))
    assert (await harness.ledger.backlog.cached_tiers("key")) == Tiers("better", "o")
    assert await harness.ledger.backlog.cached_tiers("other") is None
    await harness.ledger.maintenance.prune(keep_s=3_600.0)
    assert await harness.ledger.backlog.cached_tiers("key") is not None
    harness.clock.advance(3_601)
    await harness.ledger.maintenance.prune(keep_s=3_600.0)
    assert await harness.ledger.backlog.cached_tiers("key") is None


async def test_costs_add_up_by_day_account_provider_and_purpose(harness: LedgerHarness) -> None:
    for day, provider in (("2026-01-01", "p"), ("2026-01-02", "p"), ("2026-01-02", "p"), ("2026-01-02", "q")):
        await harness.do(RecordUsage(day, provider, "tiers", 1, 10, 5, 2))
    await harness.ledger.tenant(Caller("other", "ana")).commit(
        Commit((RecordUsage("2026-01-02", "p", "tiers", 1, 100, 50),))
    )
    rows = await harness.ledger.stats.provider_usage(since="2026-01-02", account="acme")
    assert [(r.provider, r.calls, r.tokens_in, r.tokens_out, r.refused) for r in rows] == [
        ("p", 2, 20, 10, 4),
        ("q", 1, 10, 5, 2),
    ]
    assert {r.account for r in await harness.ledger.stats.provider_usage(since="")} == {"acme", "other"}
    whole = await harness.ledger.stats.provider_usage(since="", whole=True)
    assert [(r.day, r.account, r.provider, r.tokens_in) for r in whole] == [("", "", "p", 130), ("", "", "q", 10)]


async def test_the_last_call_alone_sets_the_usage_error(harness: LedgerHarness) -> None:
    await harness.do(RecordUsage("2026-01-01", "p", "tiers", 1, error="it is down"))
    (row,) = await harness.ledger.stats.provider_usage(since="")
    assert (row.error, row.calls, row.at) == ("it is down", 1, harness.clock.now())
    harness.clock.advance(5)
    await harness.ledger.tenant(Caller("other", "ana")).commit(Commit((RecordUsage("2026-01-01", "p", "tiers", 1),)))
    (row,) = await harness.ledger.stats.provider_usage(since="", whole=True)
    assert (row.error, row.calls) == ("", 2)
