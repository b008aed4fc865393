"""The log replayed into a tree, entry by entry, as the ledger once applied it.

Five kinds of entry shape the tree; all others concern attributes of its nodes. A copy is one ``create`` entry for each
node. What a ``remove`` cut off comes back only by a ``restore`` of the same node, so erasing it needs no entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from recalld.domain.errors import Invalid
from recalld.domain.snapshot import Files, Version

SHAPING = ("create", "write", "move", "remove", "restore")
NODES_MAX = 1_000_000
_DIRECTORY, _MESSAGE = 0, 2

Entry = tuple[int, str, int, str, str]
"""seq, op, node, after, detail."""
Tracked = Callable[[Sequence[str], int], bool]
"""Whether a path is shown, and the node there."""


class LogReplay:
    """One account's tree after entry ``seq``. Messages are left out; directories exist through their contents."""

    def __init__(self, restored: frozenset[int] = frozenset()) -> None:
        """``restored``: nodes that any ``restore`` entry names; subtrees removed with them are kept in memory."""
        self.seq = 0
        self._restored = restored
        self._root = 0
        self._position: dict[int, tuple[int, str]] = {}
        self._children: dict[int, dict[str, int]] = {}
        self._hash: dict[int, str] = {}

    def apply(self, entry: Entry) -> None:
        """Apply one entry. Raises ``Invalid`` when the account holds more than can be replayed."""
        seq, op, node, after, detail = entry
        self.seq = seq
        match op:
            case "create":
                self._create(node, after, orjson.loads(detail))
            case "write":
                self._hash[node] = after
            case "move" if node in self._position:
                data = orjson.loads(detail)
                self._unlink(node)
                self._link(node, data["parent"], data["name"])
            case "remove" if node in self._position:
                self._unlink(node)
                if node not in self._restored:
                    self._drop(node)
            case "restore" if node in self._position:
                data = orjson.loads(detail)
                self._link(node, data["parent"], data["name"])

    def _create(self, node: int, after: str, data: dict[str, int | str]) -> None:
        if data["kind"] == _MESSAGE:
            return
        if len(self._position) >= NODES_MAX:
            raise Invalid(
                f"the account has held more than {NODES_MAX} entries at once",
                remedy="snapshots serve smaller accounts; export the tree as a pack",
                code="RESOURCE_EXHAUSTED",
            )
        if data["kind"] != _DIRECTORY:
            self._hash[node] = after
        if data["parent"] == 0:
            self._root = node
        self._link(node, int(data["parent"]), str(data["name"]))

    def _link(self, node: int, parent: int, name: str) -> None:
        self._position[node] = (parent, name)
        self._children.setdefault(parent, {})[name] = node

    def _unlink(self, node: int) -> None:
        parent, name = self._position[node]
        siblings = self._children.get(parent, {})
        if siblings.get(name) == node:
            del siblings[name]

    def _drop(self, top: int) -> None:
        doomed = [top]
        while doomed:
            node = doomed.pop()
            self._position.pop(node, None)
            self._hash.pop(node, None)
            doomed += self._children.pop(node, {}).values()

    def files(self, under: Sequence[tuple[str, ...]], tracked: Tracked) -> Files:
        """Every tracked file at or below these paths (none = everywhere)."""
        found: Files = {}
        for top in under or ((),):
            node = self._find(top, tracked)
            if node:
                self._collect(node, top, tracked, found)
        return found

    def _find(self, path: tuple[str, ...], tracked: Tracked) -> int:
        at = self._root
        for depth, name in enumerate(path, 1):
            at = self._children.get(at, {}).get(name, 0)
            if not at or not tracked(path[:depth], at):
                return 0
        return at

    def _collect(self, top: int, path: tuple[str, ...], tracked: Tracked, found: Files) -> None:
        todo = [(top, path)]
        while todo:
            node, parts = todo.pop()
            if not tracked(parts, node):
                continue
            hash_ = self._hash.get(node)
            if hash_ is not None:
                found["/".join(parts)] = Version(node, hash_)
            else:
                todo += [(below, (*parts, name)) for name, below in self._children.get(node, {}).items()]
