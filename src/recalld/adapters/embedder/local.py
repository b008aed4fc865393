"""Common code of embedding models that compute in this process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Invalid
from recalld.infra.thread_pool import Pool

M = TypeVar("M")


class LocalEmbedder(Generic[M]):
    """See ``ports.embedder.Embedder``. Texts longer than ``chars_max`` are cut; the model loads when the first text arrives.

    One thread: the models use threads of their own, and later calls wait while the first one loads the model.
    """

    name: str
    width: int
    batch_max: int
    waiting_max = 16
    # Of one pass, the shorter texts padded to the longest. Another call runs between two passes.
    pass_chars_max = 1 << 30

    def __init__(self, chars_max: int) -> None:
        self._chars_max = chars_max
        self._pool = Pool(f"embedder-{self.name}", running_max=1, waiting_max=self.waiting_max)
        self._model: M | None = None

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``."""
        if len(texts) > self.batch_max:
            raise Invalid(f"{len(texts)} texts in one call", remedy=f"send at most {self.batch_max}")
        short = [text[: self._chars_max] for text in texts]
        rows = np.zeros((len(short), self.width), np.float32)
        for part in passes([len(text) for text in short], self.pass_chars_max):
            rows[part] = await self._pool.run(self._embed, [short[at] for at in part], query)
        return rows

    async def close(self) -> None:
        """Release the model."""
        self._pool.close()
        self._model = None

    @abstractmethod
    def _load(self) -> M:
        """Return the model. Raises ``Invalid`` when its extra is not installed, ``Upstream`` for files that are not known."""

    @abstractmethod
    def _compute(self, model: M, texts: list[str], query: bool) -> NDArray[np.float32]:
        """Return one row for each text, of any length; none of the texts is blank."""

    def _embed(self, texts: list[str], query: bool) -> NDArray[np.float32]:
        if self._model is None:
            self._model = self._load()
        rows = np.zeros((len(texts), self.width), np.float32)
        if filled := [at for at, text in enumerate(texts) if text.strip()]:
            rows[filled] = self._compute(self._model, [texts[at] for at in filled], query)
        return unit(rows)


def passes(lengths: list[int], length_max: int) -> list[list[int]]:
    """Group positions of like length, the shortest first, so that a group whose members are padded to its longest is at most
    ``length_max`` long; what is longer by itself is a group of one."""
    groups: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if groups and (len(groups[-1]) + 1) * lengths[at] <= length_max:
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; a zero row stays."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
