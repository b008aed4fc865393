"""The embedded engine without async: its operations as blocking methods.

```
with recalld.surfaces.blocking.open("./store") as store:
    store.write("viking://resources/notes/a.md", "The harbour opens at six.")
    print(store.find("when does the harbour open").hits[0].uri)
```
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from recalld.app.engine import Engine, Workspace
from recalld.app.history import HistoryOperations
from recalld.app.sessions import SessionOperations
from recalld.app.tasks import TaskOperations
from recalld.domain.caller import Caller
from recalld.infra.thread_pool import LoopThread

P = ParamSpec("P")
R = TypeVar("R")
Inner = TypeVar("Inner")


class _Blocking(Generic[Inner]):
    """Blocking methods for the coroutine methods of ``inner``, which run on ``thread``."""

    def __init__(self, inner: Inner, thread: LoopThread) -> None:
        self._inner = inner
        self._thread = thread


def _blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[Any, P], R]:
    """Return a blocking method with the same arguments, result and errors."""

    @functools.wraps(method)
    def call(self: _Blocking[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.call(method(self._inner, *args, **kwargs))

    return call


class BlockingSessions(_Blocking[SessionOperations]):
    """``Workspace.sessions``."""

    create = _blocking(SessionOperations.create)
    get = _blocking(SessionOperations.get)
    configure = _blocking(SessionOperations.configure)
    append = _blocking(SessionOperations.append)
    commit = _blocking(SessionOperations.commit)
    context = _blocking(SessionOperations.context)
    archives = _blocking(SessionOperations.archives)
    archive = _blocking(SessionOperations.archive)
    extract = _blocking(SessionOperations.extract)
    mark_used = _blocking(SessionOperations.mark_used)
    delete = _blocking(SessionOperations.delete)
    tool_results = _blocking(SessionOperations.tool_results)
    tool_result = _blocking(SessionOperations.tool_result)
    search_tool_result = _blocking(SessionOperations.search_tool_result)
    list = _blocking(SessionOperations.list)


class BlockingTasks(_Blocking[TaskOperations]):
    """``Workspace.tasks``."""

    get = _blocking(TaskOperations.get)
    cancel = _blocking(TaskOperations.cancel)
    list = _blocking(TaskOperations.list)


class BlockingHistory(_Blocking[HistoryOperations]):
    """``Workspace.history``."""

    log = _blocking(HistoryOperations.log)
    versions = _blocking(HistoryOperations.versions)
    read_at = _blocking(HistoryOperations.read_at)
    diff = _blocking(HistoryOperations.diff)
    restore = _blocking(HistoryOperations.restore)
    undo = _blocking(HistoryOperations.undo)
    purge = _blocking(HistoryOperations.purge)
    seq_of = _blocking(HistoryOperations.seq_of)


class BlockingWorkspace(_Blocking[Workspace]):
    """The operations of one caller; ``recalld.app.workspace.Workspace`` documents them.

    It may be used from many threads at once. Inside a running event loop every method raises ``Conflict``, because it would block
    that loop. Await the engine's own methods there.
    """

    @property
    def caller(self) -> Caller:
        """The caller."""
        return self._inner.caller

    @property
    def sessions(self) -> BlockingSessions:
        """Conversations and the memories extracted from them."""
        return BlockingSessions(self._inner.sessions, self._thread)

    @property
    def tasks(self) -> BlockingTasks:
        """Background work."""
        return BlockingTasks(self._inner.tasks, self._thread)

    @property
    def history(self) -> BlockingHistory:
        """The log of changes, earlier versions, and undo."""
        return BlockingHistory(self._inner.history, self._thread)

    stat = _blocking(Workspace.stat)
    ls = _blocking(Workspace.ls)
    tree = _blocking(Workspace.tree)
    read = _blocking(Workspace.read)
    read_page = _blocking(Workspace.read_page)
    read_bytes = _blocking(Workspace.read_bytes)
    abstract = _blocking(Workspace.abstract)
    overview = _blocking(Workspace.overview)
    write = _blocking(Workspace.write)
    write_many = _blocking(Workspace.write_many)
    edit = _blocking(Workspace.edit)
    mkdir = _blocking(Workspace.mkdir)
    rm = _blocking(Workspace.rm)
    mv = _blocking(Workspace.mv)
    cp = _blocking(Workspace.cp)
    grep = _blocking(Workspace.grep)
    glob = _blocking(Workspace.glob)
    find = _blocking(Workspace.find)
    why_not = _blocking(Workspace.why_not)
    search = _blocking(Workspace.search)
    assemble = _blocking(Workspace.assemble)
    count = _blocking(Workspace.count)
    add = _blocking(Workspace.add)
    wait = _blocking(Workspace.wait)


class Recalld(BlockingWorkspace):
    """One open data folder. Its own methods act as its default caller; ``as_caller`` binds another.

    Close it, or use it as a context manager. Everything acknowledged is on disk in any case, but without ``close`` the folder stays
    locked until the process ends.
    """

    _inner: Engine

    @classmethod
    def open(cls, data: Path | str | None = None, **settings: Any) -> Self:
        """Open a data folder, or create it. ``settings`` are those of ``Engine.open``.

        Raises ``Conflict`` if another process has it open.
        """
        thread = LoopThread("blocking")
        try:
            return cls(thread.enter(Engine.open(data, **settings)), thread)
        except BaseException:
            thread.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish accepted work and release the folder. A second call does nothing."""
        self._thread.close()

    def as_caller(self, caller: Caller) -> BlockingWorkspace:
        """Return the operations of another caller."""
        return BlockingWorkspace(self._inner.as_caller(caller), self._thread)

    @property
    def upload_dir(self) -> Path:
        """Where uploads are stored until they are imported."""
        return self._inner.upload_dir

    usage = _blocking(Engine.usage)
    queues = _blocking(Engine.queues)
    readiness = _blocking(Engine.readiness)
    check = _blocking(Engine.check)


open = Recalld.open
"""``blocking.open(path, **settings)``."""
