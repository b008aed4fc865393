"""Why an entry is no hit."""

from __future__ import annotations

from typing import Any

import pytest

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, NotFound
from recalld.domain.why_not import WhyNot
from tests.harness import Harness

BIRDS = "viking://resources/birds"
QUESTION = "heron by the water"


@pytest.fixture
async def birds(harness: Harness) -> Harness:
    for number in range(15):
        await harness.write(f"{BIRDS}/b{number:02d}.md", f"A heron stood by the water, day {number}.")
    await harness.write(f"{BIRDS}/owl.md", "Owls hunt at night.")
    return harness


async def verdict_of(harness: Harness, uri: str, query: str = QUESTION, **options: Any) -> WhyNot:
    return await harness.engine.why_not(uri, query, **options)


def closed(verdict: WhyNot) -> tuple[str, str, object]:
    """The closed gate, and the parameter and value that open it."""
    assert verdict.nearest is not None
    return verdict.gates[-1].name, verdict.nearest.parameter, verdict.nearest.value


async def test_a_hit_passes_every_gate(birds: Harness) -> None:
    hit = str((await birds.engine.find(QUESTION)).hits[0].uri)
    assert (await verdict_of(birds, hit)).found


async def test_what_lies_behind_the_limit_is_a_hit_with_the_limit_named(birds: Harness) -> None:
    hits = (await birds.engine.find(QUESTION, limit=15)).hits
    wanted = str(hits[11].uri)
    gate, parameter, value = closed(await verdict_of(birds, wanted))
    assert (gate, parameter) == ("limit", "limit")
    assert isinstance(value, int)
    assert wanted in [str(hit.uri) for hit in (await birds.engine.find(QUESTION, limit=value)).hits]


async def test_what_scores_too_low_is_a_hit_with_the_threshold_named(birds: Harness) -> None:
    wanted = str((await birds.engine.find(QUESTION)).hits[3].uri)
    gate, parameter, value = closed(await verdict_of(birds, wanted, score_threshold=0.99))
    assert (gate, parameter) == ("threshold", "score_min")
    assert isinstance(value, float)
    assert wanted in [str(hit.uri) for hit in (await birds.engine.find(QUESTION, score_threshold=value)).hits]


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"target_uri": "viking://~"}, "targets"),
        ({"level": [0, 1]}, "levels"),
        ({"context_type": "memory"}, "types"),
        ({"tags": ["k=v"]}, "tags"),
        ({"until": "2001-01-01"}, "times"),
    ],
)
async def test_a_filter_that_leaves_it_out_is_named(birds: Harness, options: dict[str, Any], parameter: str) -> None:
    assert closed(await verdict_of(birds, f"{BIRDS}/b01.md", **options))[:2] == ("filters", parameter)


async def test_a_directory_is_found_on_its_own_levels_alone(birds: Harness) -> None:
    await birds.settle()
    assert closed(await verdict_of(birds, BIRDS)) == ("filters", "levels", "0,1,2")
    assert (await verdict_of(birds, BIRDS, level=[0, 1, 2], score_threshold=0.0)).gates[2].open


async def test_a_missing_entry_and_a_hidden_one_are_refused_in_the_words_of_stat(birds: Harness) -> None:
    await birds.engine.write("viking://~/resources/secret.md", "heron")
    secret = f"viking://user/{birds.engine.caller.user}/resources/secret.md"
    other = birds.engine.as_caller(Caller(user="bob"))
    for uri in (f"{BIRDS}/missing.md", secret):
        with pytest.raises((NotFound, Denied)) as refused:
            await other.stat(uri)
        verdict = await other.why_not(uri, QUESTION)
        assert [(gate.name, gate.open, gate.detail) for gate in verdict.gates] == [
            ("visible", False, str(refused.value))
        ]
        assert verdict.ranks is None


async def test_a_directory_without_an_abstract_is_not_indexed(birds: Harness) -> None:
    await birds.engine.mkdir("viking://resources/void")
    assert closed(await verdict_of(birds, "viking://resources/void"))[0] == "indexed"
