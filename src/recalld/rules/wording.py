"""Words of a surface for operations that remedies name in backticks: below surfaces a remedy knows no route, command or flag."""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPERATION = re.compile(r"`([a-z_]+)`")


def worded(remedy: str, words: Mapping[str, str]) -> str:
    """The remedy with each operation as the surface calls it; one that the surface has no words for stays as it is."""
    return _OPERATION.sub(lambda named: words.get(named[1], named[0]), remedy)
