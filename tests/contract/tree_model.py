"""A minimal model of the tree: a dict from path to text (None: a directory). The ledger must agree with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from recalld.domain.commit import Copy, MakeDir, Move, PutFile, Remove, WriteMode
from recalld.domain.errors import Conflict, Invalid, NotFound

Path = tuple[str, ...]
TreeOp = PutFile | MakeDir | Remove | Move | Copy


@dataclass
class TreeModel:
    """What holds after operations that succeeded; ``do`` raises what the ledger has to raise, and then changes nothing."""

    entries: dict[Path, str | None] = field(default_factory=lambda: {("resources",): None})

    def do(self, op: TreeOp) -> None:
        match op:
            case PutFile():
                self._put(op.uri.parts, (op.data or b"").decode(), op.mode)
            case MakeDir():
                self._mkdir(op.uri.parts, op.exist_ok)
            case Remove():
                self._remove(op.uri.parts, op.recursive)
            case Move():
                self._move(op.source.parts, op.to.parts)
            case Copy():
                self._copy(op.source.parts, op.to.parts, op.recursive)

    def below(self, top: Path) -> dict[Path, str | None]:
        """``top`` and everything in it."""
        return {path: text for path, text in self.entries.items() if path[: len(top)] == top}

    def _put(self, path: Path, text: str, mode: WriteMode) -> None:
        self._check_way(path)
        if path not in self.entries:
            if mode is WriteMode.REPLACE:
                raise NotFound("", remedy="")
        elif self.entries[path] is None:
            raise Invalid("", remedy="")
        elif mode is WriteMode.CREATE:
            raise Conflict("", remedy="")
        self._make_way(path)
        self.entries[path] = text

    def _mkdir(self, path: Path, exist_ok: bool) -> None:
        if path in self.entries and not (exist_ok and self.entries[path] is None):
            raise Conflict("", remedy="")
        self._check_way(path)
        self._make_way((*path, ""))

    def _remove(self, path: Path, recursive: bool) -> None:
        if len(self.below(path)) > 1 and not recursive:
            raise Conflict("", remedy="")
        for gone in self.below(path):
            del self.entries[gone]

    def _move(self, source: Path, to: Path) -> None:
        self._check_target(source, to)
        moved = self.below(source)
        for path in moved:
            del self.entries[path]
        self._land(source, to, moved)

    def _copy(self, source: Path, to: Path, recursive: bool) -> None:
        if source in self.entries and self.entries[source] is None and not recursive:
            raise Conflict("", remedy="")
        self._check_target(source, to, into_directory=Conflict)
        self._land(source, to, self.below(source))

    def _check_target(self, source: Path, to: Path, into_directory: type[Exception] = Invalid) -> None:
        if source not in self.entries:
            raise NotFound("", remedy="")
        if to in self.entries:
            onto_directory = self.entries[to] is None and self.entries[source] is not None
            raise (into_directory if onto_directory else Conflict)("", remedy="")  # type: ignore[call-arg]
        if to[: len(source)] == source:
            raise Invalid("", remedy="")
        self._check_way(to)

    def _land(self, source: Path, to: Path, entries: dict[Path, str | None]) -> None:
        self._make_way(to)
        self.entries |= {to + path[len(source) :]: text for path, text in entries.items()}

    def _check_way(self, path: Path) -> None:
        """A file on the way to a path."""
        if any(self.entries.get(path[:depth]) is not None for depth in range(1, len(path))):
            raise Conflict("", remedy="")

    def _make_way(self, path: Path) -> None:
        for depth in range(1, len(path)):
            self.entries.setdefault(path[:depth], None)
