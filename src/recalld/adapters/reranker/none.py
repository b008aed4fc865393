"""No reranker: the fused order stays."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.ports.plugin import Plugin


@dataclass(frozen=True, slots=True)
class NoneSettings:
    """Nothing to set."""


def no_reranker(_: NoneSettings) -> None:
    """The absence of a reranker, as ``Ports.reranker`` expects it."""


plugin = Plugin("reranker", "none", NoneSettings, no_reranker)
