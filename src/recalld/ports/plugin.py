"""How a module becomes an adapter that the configuration can choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NoSettings:
    """Settings of an adapter that has none."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One adapter as the configuration names it.

    ``kind``: the port it implements (``embedder``, ``parser`` ...); ``name``: the word users write for it; ``settings``:
    a type whose keyword arguments are the keys users may set, unknown ones refused; ``make``: settings to adapter, cheap
    and without I/O (models and connections open when first used). ``extra``: the install extra it needs ("" = none).
    ``remote``: it answers over a network, so it stands behind a guard (``app/resilient_client``);
    a remote model is a ``ports.model.Writer``, a local one a ``Model``. ``instant``: an embedder whose vectors cost so little
    that none needs to stand in for it.
    """

    kind: str
    name: str
    settings: type
    make: Callable[[Any], Any]
    extra: str = ""
    remote: bool = False
    instant: bool = False
