"""No embedding model: search is lexical only."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.ports.plugin import Plugin


@dataclass(frozen=True, slots=True)
class NoneSettings:
    """Nothing to set."""


def no_embedder(_: NoneSettings) -> None:
    """The absence of an embedder, as ``Ports.embedder`` expects it."""


plugin = Plugin("embedder", "none", NoneSettings, no_embedder)
