"""A pack built from another store, to be imported here."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.errors import Invalid
from recalld.rules.openviking_json import message_from
from recalld.rules.pack_format import clean_path
from recalld.rules.pack_mapping import filled, lines_of
from recalld.usecases.pack.pack_writer import PackWriter


@dataclass(slots=True)
class MigrationPack:
    """A backup being built from another store, and what was left out."""

    maker: PackWriter
    left_out: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def fits(self, path: str) -> bool:
        """True if a path can be an address here and was not met yet; else it is noted as left out."""
        try:
            clean_path(path)
        except Invalid as bad:
            self.leave(path, bad.message.removeprefix("the pack is refused: "))
            return False
        address = unicodedata.normalize("NFC", path)
        if address in self.seen:
            return False
        self.seen.add(address)
        return True

    def leave(self, path: str, why: str) -> None:
        """Record what is not imported."""
        self.left_out.append(f"{path}: {why}")

    def file(self, path: str, data: bytes, facts: Mapping[str, Any]) -> None:
        """Add a file with its index record. A line that is not a message (half-written when its machine stopped) is skipped;
        the other messages are imported."""
        if path.endswith("/messages.jsonl") and "/sessions/" in path:
            data = self._messages(path, data)
        self.maker.file(path, data)
        self.maker.record(json.dumps({"path": path, "level": 2, **facts}, ensure_ascii=False).encode() + b"\n")

    def _messages(self, path: str, data: bytes) -> bytes:
        lines = [line for line in data.split(b"\n") if line.strip()]
        good = [line for line in lines if _is_message(line)]
        if len(good) < len(lines):
            self.leave(path, f"{len(lines) - len(good)} of its {len(lines)} lines are no messages")
        return b"".join(line + b"\n" for line in good)


def _is_message(line: bytes) -> bool:
    try:
        message_from(filled(next(iter(lines_of(line)))), "msg_unnamed", 0.0)
    except Invalid:
        return False
    return True
