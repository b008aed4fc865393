"""The contract of a search index: evidence by vectors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.search_harness import IMPLEMENTATIONS, SearchHarness, cosines, unit, uri


@pytest.fixture(params=IMPLEMENTATIONS)
def harness(request: pytest.FixtureRequest) -> SearchHarness:
    return SearchHarness(**IMPLEMENTATIONS[request.param])


async def test_cosines_are_exact(harness: SearchHarness) -> None:
    rows = unit(50)
    ids = harness.embed(rows)
    found = cosines(await harness.near(rows[3]))
    assert list(found) == ids
    assert np.allclose(list(found.values()), rows @ rows[3], atol=2e-3)


async def test_vectors_of_another_partition_are_never_found(harness: SearchHarness) -> None:
    rows = unit(10)
    mine, _ = harness.embed(rows[:4]), harness.embed(rows[4:], "bob")
    assert list(cosines(await harness.near(rows[5]))) == mine


async def test_only_the_scope_is_searched(harness: SearchHarness) -> None:
    rows = unit(10)
    harness.embed(rows)
    harness.builder.file(uri("resources/a.md"), "no vector")
    assert cosines(await harness.near(rows[5], targets=(uri("resources"),))) == {}


async def test_models_are_never_mixed(harness: SearchHarness) -> None:
    harness.embed(unit(3), model="old")
    assert cosines(await harness.near(unit(1)[0], model="new"), "new") == {}


async def test_several_models_give_a_cosine_each(harness: SearchHarness) -> None:
    rows = unit(6)
    ids = harness.embed(rows[:3], model="one")
    harness.builder.vectors("two", 16, dict(zip(ids[:2], rows[3:5], strict=True)))
    view = await harness.open()
    await view.load_vectors(["one", "two"])
    table = await view.candidates(None, await view.dense(dict.fromkeys(("one", "two"), rows[0]), limit=5), around=0)
    assert np.allclose(list(cosines(table, "one").values()), rows[:3] @ rows[0], atol=2e-3)
    assert np.allclose(list(cosines(table, "two").values()), rows[3:5] @ rows[0], atol=2e-3)
    assert np.isnan(table.cosines["two"].scores[2])


async def test_what_was_just_written_is_found(harness: SearchHarness) -> None:
    rows = unit(6)
    harness.embed(rows[:3])
    await harness.near(rows[0])
    harness.embed(rows[3:])
    assert len(cosines(await harness.near(rows[0], limit=9))) == 6


async def test_a_newer_vector_takes_the_place_of_an_older_one(harness: SearchHarness) -> None:
    rows = unit(4)
    ids = harness.embed(rows[:3])
    await harness.near(rows[0])
    harness.builder.vectors("m", 16, {ids[0]: rows[3]})
    found = cosines(await harness.near(rows[3]))
    assert max(found, key=found.__getitem__) == ids[0]
    assert len(found) == 3


async def test_a_chunk_without_a_vector_has_no_cosine() -> None:
    harness, rows = SearchHarness(), unit(3)
    ids = harness.embed(rows)
    harness.append("ana", "words alone")
    table = await harness.near(rows[0])
    assert list(cosines(table)) == ids
    assert np.isnan(table.cosines["m"].scores).tolist() == [False, False, False, True]


async def test_each_model_compares_its_own_query_vector(harness: SearchHarness) -> None:
    rows = unit(6)
    ids = harness.embed(rows[:3], model="one")
    harness.builder.vectors("two", 16, dict(zip(ids, rows[3:], strict=True)))
    view = await harness.open()
    await view.load_vectors(["one", "two"])
    table = await view.candidates(None, await view.dense({"one": rows[0], "two": rows[5]}, limit=5), around=0)
    assert [max(found, key=found.__getitem__) for found in (cosines(table, "one"), cosines(table, "two"))] == [
        ids[0],
        ids[2],
    ]


async def test_a_loaded_model_without_a_query_vector_has_no_part(harness: SearchHarness) -> None:
    rows = unit(3)
    ids = harness.embed(rows, model="one")
    harness.builder.vectors("two", 16, dict(zip(ids, rows, strict=True)))
    view = await harness.open()
    await view.load_vectors(["one", "two"])
    table = await view.candidates(None, await view.dense({"one": rows[0]}, limit=5), around=0)
    assert (list(cosines(table, "one")), list(table.cosines)) == (ids, ["one"])


async def test_a_large_scope_gives_the_nearest_of_every_model() -> None:
    harness, rows = SearchHarness(full_rows_max=0), unit(8)
    mine, theirs = harness.embed(rows[:4], model="one"), harness.embed(rows[4:], model="two")
    view = await harness.open()
    await view.load_vectors(["one", "two"])
    table = await view.candidates(None, await view.dense({"one": rows[0], "two": rows[4]}, limit=1), around=0)
    assert {mine[0], theirs[0]} <= set(table.rows.ids.tolist())


@pytest.mark.parametrize("exact_rows_max", [200, 50_000])
async def test_the_nearest_of_a_large_partition_are_found(exact_rows_max: int) -> None:
    harness, rows = SearchHarness(full_rows_max=200, exact_rows_max=exact_rows_max), unit(6_000)
    ids = np.array(harness.embed(rows))
    hits = 0
    view = await harness.open()
    await view.load_vectors(["m"])
    for k in range(20):
        matches = await view.dense({"m": rows[k]}, limit=10)
        assert not matches.exact
        table = await view.candidates(None, matches, around=0)
        assert len(table.rows.ids) == 10
        hits += len(np.intersect1d(ids[np.argsort(-(rows @ rows[k]))[:10]], table.rows.ids))
    assert hits >= 0.98 * 200
