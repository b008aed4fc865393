"""Replace a text in a file, safe against concurrent changes."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.results import Written
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import SIDECARS, check_write
from recalld.rules.edits import edited

from .write import change_file, replace_sidecar


@dataclass(slots=True)
class _Change:
    """One edit; ``times``: occurrences of ``old`` in the last attempt."""

    uri: Uri
    old: str
    new: str
    every: bool
    times: int = 0

    def of_bytes(self, data: bytes) -> bytes:
        found = edited(data, self.old, self.new)
        self.times = found.times
        if not self.times:
            raise Conflict(f"old_string does not occur in {self.uri}", remedy="read the file and copy the text exactly")
        if self.times > 1 and not self.every:
            raise Conflict(
                f"old_string occurs {self.times} times in {self.uri}",
                remedy="give more of it, or set replace_all",
            )
        return found.data

    def of_text(self, text: str) -> str:
        return self.of_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")


async def edit(uri: Uri, old: str, new: str, *, every: bool, caller: Caller, ports: Ports) -> tuple[Written, int]:
    """Replace ``old``, which must occur once unless ``every``; return the number of replacements. Encoding and line
    ends of the file stay; a line end of ``old`` matches any.

    Raises ``NotFound``; ``Invalid`` for an empty ``old`` or anything but text; ``Conflict`` if ``old`` does not occur
    the required number of times.
    """
    if not old:
        raise Invalid("old_string is empty", remedy="give the text to replace", details={"field": "old_string"})
    change = _Change(uri, old, new, every)
    if uri.name in SIDECARS:
        return await replace_sidecar(uri, change.of_text, caller, ports), change.times
    check_write(uri)
    return await change_file(uri, change.of_bytes, caller, ports), change.times
