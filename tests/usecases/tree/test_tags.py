"""Tags are set, appended and searched; a memory has fields."""

from __future__ import annotations

import pytest

from recalld.app.stats import IndexOperations
from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, Invalid, NotFound
from recalld.rules.memory_footer import attach
from tests.harness import Harness

A, B = "viking://resources/d/a.md", "viking://resources/d/b.md"


def verbs(harness: Harness) -> IndexOperations:
    return harness.engine.index


async def test_a_tagged_file_is_found_by_its_tag(harness: Harness) -> None:
    await harness.write(A, "the heron stood still")
    await harness.write(B, "the heron flew off")
    did = await verbs(harness).set_tags(A, ["Bird=Heron", "no tag"])
    assert (did.tags, [str(u) for u in did.updated]) == (("bird=heron",), [A])
    assert await harness.found("heron", tags=["bird=heron"]) == [A]
    assert (await verbs(harness).attributes(A)).tags == ("bird=heron",)


async def test_appending_keeps_what_was_there_and_the_later_value_wins(harness: Harness) -> None:
    await harness.write(A, "text")
    await verbs(harness).set_tags(A, ["a=1", "b=2"])
    await verbs(harness).set_tags(A, ["b=3"], mode="append")
    assert (await verbs(harness).attributes(A)).tags == ("a=1", "b=3")
    await verbs(harness).set_tags(A, [])
    assert (await verbs(harness).attributes(A)).tags == ()


async def test_a_directory_is_tagged_recursively_only_on_request(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.write(B, "two")
    alone = await verbs(harness).set_tags("viking://resources/d", ["x=1"])
    assert len(alone.updated) == 1
    all_ = await verbs(harness).set_tags("viking://resources/d", ["x=1"], recursive=True)
    assert (len(all_.updated), all_.skipped) == (2, 1)


async def test_tags_that_are_there_already_change_nothing(harness: Harness) -> None:
    await harness.write(A, "one")
    await verbs(harness).set_tags(A, ["x=1"])
    before = await harness.state()
    assert (await verbs(harness).set_tags(A, ["x=1"], mode="append")).skipped == 1
    assert await harness.state() == before


async def test_untaggable_nodes_are_refused(harness: Harness) -> None:
    await harness.append("s", "hello")
    with pytest.raises(NotFound):
        await verbs(harness).set_tags("viking://resources/never.md", ["x=1"])
    for uri in ("viking://", "viking://user", "viking://user/default/sessions/s"):
        with pytest.raises(Denied):
            await verbs(harness).set_tags(uri, ["x=1"], recursive=True)
    with pytest.raises(Denied):
        await verbs(harness).set_tags("viking://user/bob/memories/x.md", ["x=1"])
    await harness.write(A, "one")
    with pytest.raises(Invalid):
        await verbs(harness).set_tags(A, [f"k{i}=1" for i in range(65)])
    with pytest.raises(Invalid):
        await verbs(harness).set_tags(A, ["x=1"], mode="prepend")


async def test_a_memory_tells_its_fields_and_anything_else_does_not(harness: Harness) -> None:
    memory = "viking://user/default/memories/events/2024/x.md"
    await harness.write(memory, attach("# X", {"event_name": "x", "version": 1}))
    await harness.write(A, attach("# A", {"event_name": "x"}))
    assert (await verbs(harness).attributes(memory)).memory == {"event_name": "x", "version": 1}
    assert (await verbs(harness).attributes(A)).memory is None
    with pytest.raises(Denied):
        await harness.engine.as_caller(Caller(user="bob")).index.attributes(memory)
