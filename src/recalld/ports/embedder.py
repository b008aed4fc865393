"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """A model that turns texts into unit vectors.

    ``fingerprint`` names model, version, width, normalisation and prefixes: vectors of different fingerprints are never
    compared. ``batch_max``: how many texts one call takes. ``floor``/``ceiling``: cosines of unrelated and of equal-in-
    meaning texts with this model, for calibration.
    """

    name: str
    width: int
    fingerprint: str
    batch_max: int
    floor: float
    ceiling: float

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Shape (len(texts), width), unit length, in order; an empty text gives a zero row. Overlong texts are cut.
        Raises ``Busy`` and ``Upstream``."""
        ...

    async def close(self) -> None:
        """Let go of memory, pools and connections."""
        ...
