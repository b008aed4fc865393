"""The blocking API of the embedded engine."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recalld.app.engine import Engine, Workspace
from recalld.domain.caller import Caller
from recalld.domain.errors import Closed, Conflict, NotFound
from recalld.surfaces import blocking
from recalld.surfaces.blocking import BlockingWorkspace, Recalld
from tests.python_api import python_api


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Recalld]:
    with blocking.open(tmp_path / "store", embedder={"provider": "none"}) as store:
        yield store


GROUPS = {"", "sessions", "tasks", "history"}
"""What the blocking API offers. The other groups are for servers and tools, which are async."""


def offered(kind: type) -> set[str]:
    return {
        name
        for name, method in python_api(kind).items()
        if inspect.iscoroutinefunction(method) and name.rpartition(".")[0] in GROUPS
    }


def test_every_operation_of_the_engine_has_a_blocking_twin() -> None:
    # download yields its pieces on the loop; read_bytes has them at once.
    assert offered(Workspace) - python_api(BlockingWorkspace).keys() == {"download"}
    assert offered(Engine) - python_api(Recalld).keys() == {"download"}


def test_a_twin_keeps_its_signature() -> None:
    assert inspect.signature(Recalld.find) == inspect.signature(Workspace.find)
    assert Recalld.find.__doc__ == Workspace.find.__doc__


def test_written_files_are_found(store: Recalld) -> None:
    store.write("viking://resources/harbour.md", "The harbour opens at six in the morning.")
    assert [str(hit.uri) for hit in store.find("when does the harbour open").hits] == ["viking://resources/harbour.md"]


def test_messages_are_found_before_the_session_commit(store: Recalld) -> None:
    store.sessions.append("trip", [{"role": "user", "content": "I am allergic to hazelnuts."}])
    assert "hazelnuts" in store.find("allergic to hazelnuts").hits[0].abstract


def test_stored_content_is_there_after_reopening(tmp_path: Path) -> None:
    with blocking.open(tmp_path, embedder={"provider": "none"}) as store:
        store.write("viking://resources/a.md", "once")
    with blocking.open(tmp_path, embedder={"provider": "none"}) as store:
        assert store.read("viking://resources/a.md") == "once"


def test_errors_rise_as_they_are(store: Recalld) -> None:
    with pytest.raises(NotFound):
        store.read("viking://resources/missing.md")


def test_another_caller_does_not_find_what_is_not_theirs(store: Recalld) -> None:
    ana, bob = store.as_caller(Caller(user="ana")), store.as_caller(Caller(user="bob"))
    ana.write("viking://~/memories/preferences/tea.md", "Ana drinks jasmine tea.")
    assert (len(ana.find("jasmine tea").hits), len(bob.find("jasmine tea").hits)) == (1, 0)


def test_many_threads_write_at_once(store: Recalld) -> None:
    def write(number: int) -> None:
        store.write(f"viking://resources/{number}.md", f"number {number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.ls("viking://resources")) == 8


def test_a_folder_is_open_in_one_place_at_a_time(store: Recalld, tmp_path: Path) -> None:
    loops = [t.name for t in threading.enumerate()].count("recalld-blocking")
    with pytest.raises(Conflict):
        blocking.open(tmp_path / "store", embedder={"provider": "none"})
    assert [t.name for t in threading.enumerate()].count("recalld-blocking") == loops


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = blocking.open(tmp_path, embedder={"provider": "none"})
    store.close()
    store.close()
    with pytest.raises(Closed):
        store.ls("viking://")


async def test_inside_a_running_loop_it_refuses_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="running event loop"):
        blocking.open(tmp_path)
