"""Plans an undo: the inverse of each log entry, latest first, for everything unchanged since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.errors import Denied
from recalld.domain.history import (
    LogEntry,
    MoveBack,
    NodeState,
    RemoveCreated,
    RestoreRemoved,
    Retag,
    SkippedChange,
    Step,
    UndoPlan,
    WriteBack,
)
from recalld.domain.node import Kind
from recalld.domain.uri import Uri

from .address import check_remove

STRUCTURAL = ("create", "move", "remove", "restore")
UNDOABLE = (*STRUCTURAL, "write", "tags", "attrs")
"""Operations that can be undone; all others concern derived data or archives."""
CHANGED, REMOVED, MOVED = "it has changed since", "it has been removed since", "it has been moved since"
ERASED, TAKEN = "it is no longer kept", "something else is there now"
NOT_EMPTY, GONE_ABOVE = "other entries lie in it", "the directory it lay in is gone"


def plan_undo(
    entries: Sequence[LogEntry], states: Mapping[int, NodeState], occupants: Mapping[Uri, int], end: int
) -> UndoPlan:
    """Return the steps that undo ``entries`` (in log order). ``states``: current states of their nodes; ``occupants``:
    living nodes at addresses where something would return; ``end``: last sequence number of the log when these were
    read.

    Nodes changed since stay and are reported. Applying the steps in order restores every touched node to its earlier
    state.
    """
    planner = _Planner(entries, states, occupants, end)
    planner.contents()
    for entry in reversed(entries):
        if entry.op in STRUCTURAL:
            planner.structure(entry)
    return UndoPlan(tuple(planner.collapsed()), tuple(planner.skipped))


def addresses_needed(entries: Sequence[LogEntry]) -> tuple[Uri, ...]:
    """Return the addresses where undoing these entries would restore something."""
    found = [Uri.parse(str(e.detail["from"])) for e in entries if e.op == "move" and "from" in e.detail]
    return tuple(dict.fromkeys([*found, *(Uri.parse(e.uri) for e in entries if e.op == "remove")]))


@dataclass(slots=True)
class _Planner:
    entries: Sequence[LogEntry]
    states: Mapping[int, NodeState]
    occupants: Mapping[Uri, int]
    end: int
    steps: list[tuple[int, Step]] = field(default_factory=list)
    skipped: list[SkippedChange] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    """Nodes that the plan removes or moves."""
    whole: set[int] = field(default_factory=set)
    """Directories whose contents the plan removes."""
    own: dict[int, list[LogEntry]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.entries:
            if entry.op in UNDOABLE:
                self.own.setdefault(entry.node, []).append(entry)

    def keep(self, uri: Uri | str, reason: str) -> None:
        self.skipped.append(SkippedChange(str(uri), reason))

    def contents(self) -> None:
        """Restore bytes and tags of nodes that existed before and still exist."""
        for node, own in self.own.items():
            state = self.states.get(node)
            if own[0].op == "create" or any(e.op == "remove" for e in own):
                continue
            if state is None or not state.alive or state.uri is None:
                if any(e.op != "move" for e in own):
                    self.keep(own[-1].uri, REMOVED)
                continue
            self._content_back(state, own, state.uri)

    def _content_back(self, state: NodeState, own: Sequence[LogEntry], uri: Uri) -> None:
        source = _former(own, "source", state.source)
        if self._write_back(state, own, uri, source):
            source = None
        self._retag(state, own, uri, source)

    def _write_back(self, state: NodeState, own: Sequence[LogEntry], uri: Uri, source: dict[str, Any] | None) -> bool:
        """True if the content is settled; its source is restored along with it."""
        writes = [e for e in own if e.op == "write"]
        if not writes or writes[0].before == writes[-1].after:
            return False
        if state.hash == writes[0].before:
            return False  # already restored
        if state.hash != writes[-1].after:
            self.keep(uri, CHANGED)
        else:
            origin = state.source if source is None else source
            self.steps.append((state.id, WriteBack(uri, state.id, writes[0].before, state.hash, origin)))
        return True

    def _retag(self, state: NodeState, own: Sequence[LogEntry], uri: Uri, source: dict[str, Any] | None) -> None:
        now = list(state.tags)
        tags = _former(own, "tags", now)
        if tags is None and _changed(own, "tags") and now != _before(own, "tags"):
            self.keep(uri, CHANGED)
        if tags is not None or source is not None:
            self.steps.append((state.id, Retag(uri, tuple(now if tags is None else tags), state.tags, source)))

    def structure(self, entry: LogEntry) -> None:
        """Plan the inverse of an entry that changed the tree's structure."""
        state = self.states.get(entry.node)
        match entry.op:
            case "create" if state is not None and state.alive:
                self._uncreate(entry, state)
            case "restore" if state is not None and state.alive:
                self._remove_again(entry, state)
            case "remove" if state is None or not state.alive:
                self._restore(entry, state)
            case "move":
                self._move_back(entry, state)

    def _uncreate(self, entry: LogEntry, state: NodeState) -> None:
        own = self.own[entry.node]
        moves = [e for e in own if e.op == "move"]
        uri = Uri.parse(entry.uri)
        if not _removable(uri):
            return
        if state.uri != Uri.parse((moves or [entry])[-1].uri) or (moves and entry.node not in self.left):
            self.keep(uri, MOVED)
            return
        if state.kind is Kind.DIRECTORY:
            if not set(state.children) <= self.left:
                self.keep(uri, NOT_EMPTY)
                return
            self._note_whole(state)
        elif state.kind is Kind.FILE and state.hash != [e.after for e in own if e.op in ("create", "write")][-1]:
            self.keep(uri, CHANGED)
            return
        self.left.add(entry.node)
        self.steps.append((entry.node, RemoveCreated(uri, state.hash)))

    def _note_whole(self, state: NodeState) -> None:
        """Note a directory whose contents were all created by these entries and are removed by this plan."""
        for child in state.children:
            known = self.states.get(child)
            own = self.own.get(child, [])
            if known is None or not own or own[0].op != "create" or any(e.op == "move" for e in own):
                return
            if known.kind is Kind.DIRECTORY and child not in self.whole:
                return
        self.whole.add(state.id)

    def _remove_again(self, entry: LogEntry, state: NodeState) -> None:
        uri = Uri.parse(entry.uri)
        if state.uri != uri:
            self.keep(uri, MOVED)
            return
        self.left.add(entry.node)
        self.steps.append((entry.node, RemoveCreated(uri, state.hash, since=max(e.seq for e in self.entries))))

    def _restore(self, entry: LogEntry, state: NodeState | None) -> None:
        uri = Uri.parse(entry.uri)
        if state is None or not state.restorable:
            self.keep(uri, ERASED)
        elif state.uri != uri and not any(
            isinstance(s, RestoreRemoved) and uri.parent.under(s.uri) for _, s in self.steps
        ):
            self.keep(uri, GONE_ABOVE)
        elif self._taken(uri):
            self.keep(uri, TAKEN)
        else:
            self.steps.append((entry.node, RestoreRemoved(uri, entry.node)))
            own = self.own[entry.node]
            if own[0].op != "create":
                self._content_back(state, own, uri)

    def _move_back(self, entry: LogEntry, state: NodeState | None) -> None:
        uri, to = Uri.parse(entry.uri), Uri.parse(str(entry.detail["from"]))
        last = [e for e in self.own[entry.node] if e.op == "move"][-1]
        if state is None or not state.alive:
            self.keep(uri, REMOVED)
        elif state.uri != Uri.parse(last.uri):
            first = next(e for e in self.own[entry.node] if e.op == "move")
            if entry is last and state.uri != Uri.parse(str(first.detail["from"])):
                self.keep(uri, MOVED)
        elif self._taken(to):
            self.keep(uri, TAKEN)
        else:
            self.left.add(entry.node)
            self.steps.append((entry.node, MoveBack(uri, to)))

    def _taken(self, uri: Uri) -> bool:
        occupant = self.occupants.get(uri, 0)
        return bool(occupant) and occupant not in self.left

    def collapsed(self) -> list[Step]:
        """Return the steps; a directory removed with all its contents is one step."""
        covered = {child for node in self.whole for child in self.states[node].children}
        steps: list[Step] = []
        for node, step in self.steps:
            if isinstance(step, RemoveCreated) and node in covered:
                continue
            if isinstance(step, RemoveCreated) and node in self.whole:
                step = RemoveCreated(step.uri, "", since=self.end)
            steps.append(step)
        return steps


def _changed(own: Sequence[LogEntry], what: str) -> bool:
    """True if these entries changed a node's tags or source."""
    changes = [e.detail[what] for e in own if what in e.detail]
    return bool(changes) and bool(changes[0][0] != changes[-1][1])


def _before(own: Sequence[LogEntry], what: str) -> Any:
    """Return a node's value before the first of these entries that changed it."""
    return next(e.detail[what][0] for e in own if what in e.detail)


def _former(own: Sequence[LogEntry], what: str, now: Any) -> Any:
    """Return a node's value before these entries; None if it is the same, or if its present value is not theirs."""
    changes = [e.detail[what] for e in own if what in e.detail]
    return _before(own, what) if _changed(own, what) and now == changes[-1][1] else None


def _removable(uri: Uri) -> bool:
    """False for directories that always exist."""
    try:
        check_remove(uri)
    except Denied:
        return False
    return True
