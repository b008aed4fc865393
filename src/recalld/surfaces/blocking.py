"""The embedded library without async: every verb of the engine as a plain method.

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
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from recalld.app.engine import Engine, Workspace
from recalld.domain.caller import Caller
from recalld.infra.thread_pool import LoopThread

P = ParamSpec("P")
R = TypeVar("R")


def _verb(
    verb: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[BlockingWorkspace, P], R]:
    """The same verb, waited for: same arguments, same answer, same errors."""

    @functools.wraps(verb)
    def call(self: BlockingWorkspace, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.call(verb(self._inner, *args, **kwargs))

    return call


class BlockingWorkspace:
    """All verbs as one caller; see ``recalld.app.workspace.Workspace`` for what each does.

    May be used from many threads at once. Inside a running event loop every verb raises ``Conflict`` instead of
    stopping that loop: await the engine's own verbs there.
    """

    def __init__(self, inner: Workspace, thread: LoopThread) -> None:
        self._inner = inner
        self._thread = thread

    @property
    def caller(self) -> Caller:
        """Who acts."""
        return self._inner.caller

    stat = _verb(Workspace.stat)
    ls = _verb(Workspace.ls)
    tree = _verb(Workspace.tree)
    read = _verb(Workspace.read)
    read_page = _verb(Workspace.read_page)
    read_bytes = _verb(Workspace.read_bytes)
    abstract = _verb(Workspace.abstract)
    overview = _verb(Workspace.overview)
    write = _verb(Workspace.write)
    write_many = _verb(Workspace.write_many)
    edit = _verb(Workspace.edit)
    mkdir = _verb(Workspace.mkdir)
    rm = _verb(Workspace.rm)
    mv = _verb(Workspace.mv)
    cp = _verb(Workspace.cp)
    grep = _verb(Workspace.grep)
    glob = _verb(Workspace.glob)
    # mypy fears an option named "self" among the open ones of these three.
    find = _verb(Workspace.find)  # type: ignore[arg-type]
    search = _verb(Workspace.search)  # type: ignore[arg-type]
    assemble = _verb(Workspace.assemble)  # type: ignore[arg-type]
    count = _verb(Workspace.count)
    session_new = _verb(Workspace.session_new)
    session = _verb(Workspace.session)
    session_configure = _verb(Workspace.session_configure)
    sessions = _verb(Workspace.sessions)
    append = _verb(Workspace.append)
    session_commit = _verb(Workspace.session_commit)
    session_context = _verb(Workspace.session_context)
    archives = _verb(Workspace.archives)
    archive = _verb(Workspace.archive)
    session_delete = _verb(Workspace.session_delete)
    session_used = _verb(Workspace.session_used)
    add = _verb(Workspace.add)
    task = _verb(Workspace.task)
    tasks = _verb(Workspace.tasks)
    cancel = _verb(Workspace.cancel)
    wait = _verb(Workspace.wait)


class Recalld(BlockingWorkspace):
    """One open data folder. Its own verbs act as its default caller; ``as_caller`` binds another.

    Close it, or use it as a context manager: one left open is not lost (everything acknowledged is on disk), but its
    folder stays locked until the process ends.
    """

    _inner: Engine

    @classmethod
    def open(cls, data: Path | str | None = None, **settings: Any) -> Self:
        """Open (and make) a data folder; ``settings`` as for ``Engine.open``. ``Conflict`` if it is open."""
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
        """Finish what was accepted and release the folder. Harmless when called twice."""
        self._thread.close()

    def as_caller(self, caller: Caller) -> BlockingWorkspace:
        """The same verbs as somebody else."""
        return BlockingWorkspace(self._inner.as_caller(caller), self._thread)

    @property
    def upload_dir(self) -> Path:
        """Where uploads are put before ``add``."""
        return self._inner.upload_dir

    usage = _verb(Engine.usage)
    queues = _verb(Engine.queues)
    readiness = _verb(Engine.readiness)
    check = _verb(Engine.check)


open = Recalld.open
"""``blocking.open(path, **settings)``."""
