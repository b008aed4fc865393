"""How one file becomes a choice behind a door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plugin:
    """One adapter as the configuration names it.

    ``door``: the port it stands behind (``embedder``, ``parser`` ...); ``name``: the word users write for it; ``settings``:
    a type whose keyword arguments are the keys users may set, unknown ones refused; ``make``: settings to adapter, cheap
    and without I/O (models and connections open when first used). ``extra``: the install extra it needs ("" = none).
    ``remote``: it answers over a network, so it stands behind a guard (``app/guard``);
    a remote model is a ``ports.model.Writer``, a local one a ``Model``.
    """

    door: str
    name: str
    settings: type
    make: Callable[[Any], Any]
    extra: str = ""
    remote: bool = False
