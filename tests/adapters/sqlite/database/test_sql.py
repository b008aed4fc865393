"""The cost of a lookup does not depend on neighbouring rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import apsw
import pytest

from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.adapters.sqlite.database.sql import deepest_node, node_at
from tests.counted import steps

BESIDE = 2_000


@pytest.fixture
def store() -> Iterator[apsw.Connection]:
    """Root 1, ``user`` 2, ``user/ada`` 3, ``user/ada/notes`` 4, a file in it."""
    c = apsw.Connection(":memory:")
    c.execute(MIGRATIONS[1])
    for parent, name, kind in ((0, "acme", 0), (1, "user", 0), (2, "ada", 0), (3, "notes", 0), (4, "a.md", 1)):
        _add(c, parent, name, kind)
    yield c
    c.close()


def _add(c: apsw.Connection, parent: int, name: str, kind: int = 0) -> None:
    c.execute(
        "INSERT INTO node (parent, name, kind, owner, seq, created, updated) VALUES (?,?,?,1,1,0,0)",
        (parent, name, kind),
    )


def test_a_way_leads_to_its_node(store: apsw.Connection) -> None:
    assert node_at(store, "acme", ()) == 1
    assert node_at(store, "acme", ("user", "ada", "notes", "a.md")) == 5
    assert node_at(store, "acme", ("user", "bob")) == 0
    assert node_at(store, "other", ("user",)) == 0


def test_the_last_node_on_a_way_says_how_far_it_goes(store: apsw.Connection) -> None:
    assert deepest_node(store, "acme", ("user", "ada", "notes")) == (4, 3, 0)
    assert deepest_node(store, "acme", ("user", "ada", "notes", "a.md", "deeper")) == (5, 4, 1)
    assert deepest_node(store, "acme", ("nowhere", "at", "all")) == (1, 0, 0)
    assert deepest_node(store, "other", ("user",)) is None


def test_removed_nodes_have_no_path(store: apsw.Connection) -> None:
    store.execute("UPDATE node SET gone = 9 WHERE id = 4")
    assert node_at(store, "acme", ("user", "ada", "notes", "a.md")) == 0
    assert deepest_node(store, "acme", ("user", "ada", "notes", "a.md")) == (3, 2, 0)


@pytest.mark.parametrize("look", [node_at, deepest_node])
def test_entries_beside_the_way_cost_nothing(store: apsw.Connection, look: Callable[..., object]) -> None:
    json_path = ("user", "ada", "notes", "a.md")
    alone = steps(store, lambda: look(store, "acme", json_path))
    for number in range(BESIDE):
        _add(store, 2, f"user{number}")
        _add(store, 4, f"{number}.md", 1)
    assert steps(store, lambda: look(store, "acme", json_path)) < 2 * alone
