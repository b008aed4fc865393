"""An in-memory workspace with the engine's operations, enough to test the HTTP surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from recalld.app.housekeeping import HealthSnapshot, ModelHealth
from recalld.domain.caller import Caller
from recalld.domain.commit import Receipt, WriteMode
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.histogram import Histogram
from recalld.domain.job import QueueCount
from recalld.domain.node import ContextType, Entry, Kind, Node
from recalld.domain.query import Answer, Hit, Passage, Source, Trajectory
from recalld.domain.results import (
    Added,
    ContextBlock,
    ContextEntry,
    GrepReport,
    LineMatch,
    Operation,
    Readiness,
    VectorCount,
    Written,
)
from recalld.domain.uri import Uri
from recalld.domain.why_not import Change, Gate, Ranks, WhyNot
from recalld.infra.watchdog import BOUNDS_S, LoopLag
from recalld.ports.maintenance import FileSizes, Usage
from recalld.rules.search_request import SearchOptions
from tests.surfaces.http.fake_sessions import FakeSessions, FakeTasks
from tests.surfaces.http.fake_state import NOW, Fake, State, recorded


class FakeWorkspace(Fake):
    @property
    def sessions(self) -> FakeSessions:
        return FakeSessions(self.state, self.caller)

    @property
    def tasks(self) -> FakeTasks:
        return FakeTasks(self.state, self.caller)

    @property
    def stats(self) -> FakeStats:
        return FakeStats(self.state, self.caller)

    def _node(self, uri: Uri) -> Node:
        if uri in self.state.files:
            data = self.state.files[uri]
            return Node(
                1,
                uri,
                Kind.FILE,
                size=len(data),
                media="text/markdown",
                updated_at=NOW,
                tags=("k=v",),
                abstract="A file of words.",
            )
        if uri in self.state.folders or not uri.parts:
            return Node(
                2, uri, Kind.DIRECTORY, updated_at=NOW, abstract="About it. " * 40 if uri.name == "docs" else ""
            )
        raise NotFound(
            f"File not found: {uri}", remedy="list its parent", details={"type": "file", "resource": str(uri)}
        )

    def _below(self, uri: Uri) -> list[Uri]:
        self._node(uri)
        return sorted((u for u in {*self.state.files, *self.state.folders} if u.under(uri) and u != uri), key=str)

    async def stat(self, uri: str) -> Node:
        self._record("stat", uri=uri)
        return self._node(self._uri(uri))

    async def ls(
        self, uri: str, *, limit: int = 1000, hidden: bool = False, sort_by: str = "", descending: bool = False
    ) -> list[Node]:
        self._record("ls", uri=uri, limit=limit, hidden=hidden, sort_by=sort_by, descending=descending)
        at = self._uri(uri)
        return [self._node(u) for u in self._below(at) if u.parent == at][:limit]

    async def tree(self, uri: str, *, depth: int = 3, limit: int = 1000, hidden: bool = False) -> list[Entry]:
        self._record("tree", uri=uri, depth=depth, limit=limit, hidden=hidden)
        at = self._uri(uri)
        return [Entry(self._node(u), u.relative_to(at)) for u in self._below(at)][:limit]

    async def read(self, uri: str, *, offset: int = 0, limit: int = -1, raw: bool = False) -> str:
        self._record("read", uri=uri, offset=offset, limit=limit, raw=raw)
        lines = (await self.read_bytes(uri)).decode().splitlines(keepends=True)
        return "".join(lines[offset:] if limit < 0 else lines[offset : offset + limit])

    async def read_bytes(self, uri: str) -> bytes:
        node = self._node(self._uri(uri))
        if node.is_dir:
            raise Invalid(f"{node.uri} is a directory", remedy="list it")
        return self.state.files[node.uri]

    async def abstract(self, uri: str) -> str:
        return self._node(self._uri(uri)).abstract or "not ready"

    async def overview(self, uri: str) -> str:
        return f"# {self._node(self._uri(uri)).uri}\n"

    async def write(
        self,
        uri: str,
        content: str | bytes,
        *,
        mode: str = "replace",
        if_version: int | None = None,
        wait: bool = False,
        timeout_s: float | None = None,
    ) -> Written:
        self._record("write", uri=uri, mode=mode, if_version=if_version, wait=wait, timeout_s=timeout_s)
        at = self._uri(uri)
        known = at in self.state.files
        if mode == "create" and known:
            raise Conflict(
                f"{at} exists",
                remedy="replace it",
                code="ALREADY_EXISTS",
                details={"resource": str(at), "type": "file"},
            )
        data = content.encode() if isinstance(content, str) else content
        self.state.files[at] = data
        return Written(
            () if known else (at,),
            (at,) if known else (),
            (),
            len(data),
            indexed=wait or len(data) < 100_000,
            pending=0,
        )

    def operation(self, uri: str, data: bytes, mode: str) -> Operation:
        return Operation(
            self._uri(uri), data, WriteMode.REPLACE if mode == "append" else WriteMode(mode), mode == "append"
        )

    async def write_many(
        self, root: str, operations: Sequence[Operation], *, wait: bool = True, timeout_s: float | None = None
    ) -> Written:
        self._record("write_many", root=root, operations=tuple(operations), wait=wait)
        self.state.files |= {o.uri: o.data for o in operations}
        return Written(
            tuple(o.uri for o in operations), (), (), sum(len(o.data) for o in operations), indexed=True, pending=0
        )

    async def mkdir(self, uri: str, *, description: str = "") -> Node:
        at = self._uri(uri)
        if at in self.state.folders:
            raise Conflict(f"{at} exists", remedy="use it as it is")
        self.state.folders.add(at)
        return self._node(at)

    async def rm(self, uri: str, *, recursive: bool = False) -> Receipt:
        self._record("rm", uri=uri, recursive=recursive)
        gone = [u for u in self.state.files if u.under(self._uri(uri))]
        for one in gone:
            del self.state.files[one]
        return Receipt(1, removed=len(gone))

    async def mv(self, source: str, to: str) -> Receipt:
        self.state.files[self._uri(to)] = self.state.files.pop(self._node(self._uri(source)).uri)
        return Receipt(1)

    async def cp(self, source: str, to: str, *, recursive: bool = False) -> Receipt:
        target = self._uri(to)
        self.state.files[target] = self.state.files[self._node(self._uri(source)).uri]
        return Receipt(1, created=(target,))

    async def grep(
        self, uri: str, pattern: str, *, exclude: str = "", ignore_case: bool = False, limit: int = 256, depth: int = 10
    ) -> GrepReport:
        self._record(
            "grep", uri=uri, pattern=pattern, exclude=exclude, ignore_case=ignore_case, limit=limit, depth=depth
        )
        found = [
            LineMatch(u, n, line)
            for u in self._below(self._uri(uri))
            if u in self.state.files
            for n, line in enumerate(self.state.files[u].decode().splitlines(), 1)
            if pattern in line
        ]
        return GrepReport(tuple(found[:limit]), len(self.state.files))

    async def glob(self, pattern: str, uri: str = "viking://", *, limit: int = 256) -> list[str]:
        self._record("glob", pattern=pattern, uri=uri, limit=limit)
        return [str(u) for u in self._below(self._uri(uri))][:limit]

    @recorded
    async def find(
        self,
        query: str,
        *,
        target_uri: str | Sequence[str] = "",
        context_type: str | Sequence[str] = (),
        limit: int = 10,
        score_threshold: float | None = None,
        level: Sequence[int] = (),
        tags: Sequence[str] = (),
        since: str = "",
        until: str = "",
        time_field: str = "updated_at",
        filter: Mapping[str, Any] | None = None,
        passages: bool = False,
        fold: bool = False,
        gap: bool = False,
        explain: bool = False,
    ) -> Answer:
        hits = (
            Hit(
                Uri.parse("viking://user/ana/memories/events/a.md"),
                ContextType.MEMORY,
                2,
                0.9,
                "Ana likes tea",
                ("k=v",),
                (Source(Uri.parse("viking://user/ana/sessions/s/messages/m.md"), "s", "m"),),
                passage=Passage("Ana likes tea", ("Drinks",), 3, 4, ((0, 3), (10, 13))),
                folded=(Uri.parse("viking://resources/copy.md"),),
            ),
            Hit(Uri.parse("viking://resources/docs/.abstract.md"), ContextType.RESOURCE, 0, float("nan"), "Docs"),
        )
        return Answer(hits, self.state.degraded, weaker=2, trajectory=Trajectory() if explain else None)

    @recorded
    async def why_not(self, uri: str, query: str, **options: Unpack[SearchOptions]) -> WhyNot:
        gate = Gate("limit", False, "it is hit 14, the limit is 10")
        ranks = Ranks(3, {"static": 9}, 14, 40, 0.3)
        return WhyNot(self._uri(uri), False, (gate,), ranks, Change("limit", 14, "raise limit to 14"))

    @recorded
    async def search(
        self,
        query: str,
        *,
        session_id: str = "",
        target_uri: str | Sequence[str] = "",
        context_type: str | Sequence[str] = (),
        limit: int = 10,
        score_threshold: float | None = None,
        level: Sequence[int] = (),
        tags: Sequence[str] = (),
        since: str = "",
        until: str = "",
        time_field: str = "updated_at",
        filter: Mapping[str, Any] | None = None,
        passages: bool = False,
        fold: bool = False,
        gap: bool = False,
        explain: bool = False,
    ) -> Answer:
        return await self.find(query, explain=explain)

    @recorded
    async def assemble(
        self,
        query: str,
        *,
        session_id: str = "",
        query_expansion: bool = True,
        max_tokens: int = 1_600,
        quotas: Mapping[str, int] | None = None,
        purpose: str = "",
        detail: Mapping[str, str] | None = None,
        limit: int = 10,
        score_min: float | None = None,
        exclude: Sequence[str] = (),
        all_peers: bool = True,
        penalties: Mapping[str, float] | None = None,
        dedup_turns: int = 0,
        rewrite: str = "off",
        rewrite_max_bullets: int = 6,
        narrow: SearchOptions | None = None,
    ) -> ContextBlock:
        entry = ContextEntry(
            Uri.parse("viking://user/ana/memories/events/a.md"), "events", 0.7, "overview", "Ana likes tea"
        )
        return ContextBlock((entry,), "<memory>Ana likes tea</memory>", {"used_tokens": 5}, self.state.degraded)

    async def count(self, uri: str = "") -> int:
        return 7

    @recorded
    async def add(
        self,
        upload: Path,
        *,
        name: str = "",
        to: str = "",
        parent: str = "",
        create_parent: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        ignore_dirs: Sequence[str] = (),
        strict: bool = False,
        split: bool = True,
        tags: Sequence[str] = (),
        origin: str = "",
        wait: bool = False,
        timeout_s: float | None = None,
        keep_source: bool = True,
        unwrap: bool = True,
        tag_mode: str = "replace",
        keep_removed: bool = False,
        confirm_removals: bool = False,
        left_out: Sequence[str] = (),
        incomplete: str = "",
        as_file: bool = False,
    ) -> Added:
        _, options = self.state.calls[-1]
        self.state.added.append(
            (upload.read_bytes(), {k: v for k, v in options.items() if k not in {"upload", "keep_source"}})
        )
        result = self.state.add_result if wait else None
        return Added(Uri.parse("viking://resources/page"), "task_1", ("skipped x.bin: no document",), result)

    async def queues(self) -> list[QueueCount]:
        return [QueueCount("embed", 1, 0, 0, 3, 0.0)]

    async def wait(self, *, timeout_s: float | None = None, task_id: str = "") -> list[QueueCount]:
        self._record("wait", timeout_s=timeout_s)
        return [QueueCount("embed", 0, 0, 0, 5, 0.0), QueueCount("tiers", 0, 0, 1, 2, 0.0)]


class FakeStats(Fake):
    async def vectors(self) -> tuple[VectorCount, ...]:
        return VectorCount(7, 7, {}, "static"), VectorCount(5, 7, {"content_filter": 1}, "e5")


class FakeEngine(FakeWorkspace):
    def __init__(self, upload_dir: Path) -> None:
        super().__init__(State(), Caller())
        self.upload_dir = upload_dir
        self.state_of_health = Readiness("ready", (), {"store": "ok"})
        self.dead_jobs = 0

    def as_caller(self, caller: Caller) -> FakeWorkspace:
        return FakeWorkspace(self.state, caller)

    async def readiness(self) -> Readiness:
        return self.state_of_health

    def health_snapshot(self) -> HealthSnapshot:
        return HealthSnapshot(
            self.state_of_health,
            LoopLag(1, 0.0, 0.0, 0.0, 0.0, 2, 3, (3, *[0] * len(BOUNDS_S)), 0.25),
            (QueueCount("embed", 4, 1, self.dead_jobs, 5, 12.5),),
            Usage(10, 20, 30, 40, 50, 60, 90, "store", FileSizes(70, 80, 2)),
            0.002,
            1.5,
            (ModelHealth("embedder", "static", "ok"),),
            1,
            stages={"rank": Histogram([0, 2, *[0] * (len(BOUNDS_S) - 1)], 0.004)},
        )
