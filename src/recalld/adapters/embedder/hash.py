"""Deterministic vectors from hashed words, for tests; stricter than any model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Invalid
from recalld.ports.plugin import Plugin
from recalld.rules.tokens import terms

from .local import unit


@dataclass(frozen=True, slots=True)
class HashSettings:
    """``width``: of the vectors."""

    width: int = 64


class HashEmbedder:
    """Each term adds a direction drawn from its hash; texts that share terms come out close."""

    name = "hash"
    batch_max = 64
    floor = 0.1
    ceiling = 0.9

    def __init__(self, settings: HashSettings) -> None:
        self.width = settings.width
        self.fingerprint = f"hash-{settings.width}/1/sum/unit"

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``."""
        if len(texts) > self.batch_max:
            raise Invalid(f"{len(texts)} texts in one call", remedy=f"send at most {self.batch_max}")
        out = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            for term in terms(text):
                out[row] += _direction(term, self.width)
        return unit(out)

    async def close(self) -> None:
        """Nothing to release."""


def _direction(term: str, width: int) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).standard_normal(width).astype(np.float32)


plugin = Plugin("embedder", "hash", HashSettings, HashEmbedder, instant=True)
