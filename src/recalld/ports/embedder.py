"""The embedder port: texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """A model that turns texts into unit vectors.

    ``fingerprint`` identifies model, version, width, normalisation and prefixes; vectors of different fingerprints are
    never compared. ``batch_max``: texts per call. ``floor``/``ceiling``: typical cosines of unrelated and of equivalent
    texts with this model, for calibration.
    """

    name: str
    width: int
    fingerprint: str
    batch_max: int
    floor: float
    ceiling: float

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), width), in input order. An empty text gives a zero row; long texts are
        truncated. Raises ``Busy`` and ``Upstream``."""

    async def close(self) -> None:
        """Release memory, pools and connections."""
