"""A text that the embedder refuses costs nobody else a vector."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.domain.errors import Upstream
from tests.doubles.provider import WIDTH, Asked, Provider, provider
from tests.house_fixture import House, house_at

POISON = "poison"


class Picky(Provider):
    """Refuses every batch that holds the poison, or everything."""

    everything = False

    def _answer(self, asked: Asked) -> tuple[bytes, int]:
        if self.everything or any(POISON in text for text in asked.body.get("input", ())):
            return b'{"error": {"code": "content_filter"}}', 400
        return super()._answer(asked)


def settings(double: Provider) -> dict[str, object]:
    return {"kind": "openai", "base_url": double.url, "model": "m", "dimensions": WIDTH}


async def said(house: House) -> None:
    for number in range(30):
        await house.say("s", f"the heron stood still, number {number}")
        if number == 15:
            await house.say("s", f"a word of {POISON}")


async def test_one_refused_text_leaves_its_neighbours_their_vectors(tmp_path: Path) -> None:
    async with provider() as double:
        double.__class__ = Picky
        async with house_at(tmp_path, embedder=settings(double)) as house:
            await said(house)
            await house.settle()
            usage = await house.r.usage()
            assert usage.vectors == usage.chunks
            assert (await house.queue("embed")).dead == 0
            asked = len(double.seen)
            await house.say("s", "one more")
            await house.settle()
            assert not any(POISON in str(one.body) for one in double.seen[asked:])
            assert (await house.r.find(POISON)).hits


async def test_an_embedder_that_refuses_everything_marks_nothing(tmp_path: Path) -> None:
    async with provider() as double:
        double.__class__ = Picky
        async with house_at(tmp_path, embedder=settings(double)) as house:
            assert isinstance(double, Picky)
            double.everything = True
            await house.say("s", "the heron stood still")
            (job,) = [job for job in await house.lease(8) if job.kind == "embed"]
            from recalld.flows.upkeep.embed import embed

            with pytest.raises(Upstream):
                await embed(job, house.doors)
            assert (await house.r.usage()).vectors == 0
