"""What models that compute in this process have in common."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recalld.adapters.embedder.local import LocalEmbedder, passes


class Recorder(LocalEmbedder[list[list[str]]]):
    """Records the texts of each pass."""

    name = "recorder"
    width = 1
    batch_max = 8
    pass_chars_max = 4

    def _load(self) -> list[list[str]]:
        return []

    def _compute(self, model: list[list[str]], texts: list[str], query: bool) -> NDArray[np.float32]:
        model.append(texts)
        return np.ones((len(texts), 1), np.float32)


@given(st.lists(st.integers(0, 300), max_size=64), st.integers(1, 600))
def test_a_pass_is_bounded_and_every_text_is_in_one(lengths: list[int], length_max: int) -> None:
    groups = passes(lengths, length_max)
    assert sorted(at for group in groups for at in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or len(group) * max(lengths[at] for at in group) <= length_max for group in groups)


async def test_a_query_runs_between_two_passes_of_a_batch() -> None:
    embedder = Recorder(100)
    batch = asyncio.ensure_future(embedder.embed(["aaaa", "bbbb", "cccc"]))
    await asyncio.sleep(0)
    await embedder.embed(["q"], query=True)
    await batch
    assert embedder._model is not None
    assert embedder._model.index(["q"]) < 2
    await embedder.close()
