"""What is packed elsewhere to be brought here."""

from __future__ import annotations

from dataclasses import dataclass, field

from recalld.domain.errors import Invalid
from recalld.flows.pack.make import PackMaker
from recalld.rules.pack import clean_path


@dataclass(slots=True)
class Luggage:
    """A backup being packed from elsewhere, and what did not go in."""

    maker: PackMaker
    left_out: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def fits(self, path: str) -> bool:
        """True if a path can be an address here and was not met yet; else it is noted as left out."""
        try:
            clean_path(path)
        except Invalid as bad:
            self.leave(path, bad.message.removeprefix("the pack is refused: "))
            return False
        if path in self.seen:
            return False
        self.seen.add(path)
        return True

    def leave(self, path: str, why: str) -> None:
        """Note what is not brought."""
        self.left_out.append(f"{path}: {why}")
