"""A peer's view: other peers' trees are invisible and cannot be changed, not even with a directory that contains
them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recalld.domain.commit import Move, Remove
from recalld.domain.errors import Denied, NotFound
from recalld.domain.uri import Uri
from tests.contract.ledger_harness import ANA, ROOT, LedgerHarness, at, put

OWN, OTHER = "user/ana/peers/codex/memories/a.md", "user/ana/peers/claude/memories/secret.md"
PEERS = at("user/ana/peers")
VIEWS = [replace(ANA, peer="codex"), replace(ROOT, peer="codex")]


@pytest.fixture
async def shared(harness: LedgerHarness) -> LedgerHarness:
    await harness.do(put(OWN, "tea"), put(OTHER, "secret"), put("user/ana/memories/mine.md", "mine"))
    return harness


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: str(v.role))
async def test_only_the_own_peers_tree_is_there(shared: LedgerHarness, view: object) -> None:
    tenant = shared.tenant(view)  # type: ignore[arg-type]
    assert [n.uri.name for n in await tenant.list(PEERS, limit=9)] == ["codex"]
    walked = [e.rel_path for e in await tenant.walk(Uri(("user", "ana")), depth_max=9, nodes_max=99)]
    named = [e.rel_path for e in await tenant.names(PEERS, nodes_max=99)]
    assert not [path for path in walked + named if "claude" in path]
    assert "codex/memories/a.md" in named
    for hidden in (at(OTHER), at("user/ana/peers/claude")):
        with pytest.raises(NotFound):
            await tenant.stat(hidden)
    with pytest.raises(NotFound):
        await tenant.read(at(OTHER))
    page = await tenant.grep_candidates(PEERS, literal="", fold=False, depth_max=9, after=0, limit=99)
    assert [node.uri for node, _ in page] == [at(OWN)]


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: str(v.role))
@pytest.mark.parametrize("whole", ["user/ana", "user/ana/peers"])
async def test_nothing_that_holds_other_peers_is_changed_whole(shared: LedgerHarness, view: object, whole: str) -> None:
    for op in (Remove(at(whole), recursive=True), Move(at(whole), at("resources/taken"))):
        with pytest.raises(Denied):
            await shared.do(op, caller=view)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await shared.do(put(OTHER, "changed"), caller=view)  # type: ignore[arg-type]
    assert await shared.text(OTHER) == "secret"


async def test_without_a_peer_all_of_them_are_there(shared: LedgerHarness) -> None:
    assert await shared.names("user/ana/peers") == ["claude", "codex"]
