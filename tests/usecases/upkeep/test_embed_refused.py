"""A text that the embedder refuses costs nobody else a vector."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.app.tending import TendingVerbs
from recalld.domain.errors import Upstream
from recalld.domain.report import VectorCount
from tests.fakes.provider import WIDTH, Asked, Provider, provider
from tests.house_fixture import House, house_at

POISON = "poison"


class Picky(Provider):
    """Refuses every batch that holds the poison, or everything."""

    everything = False

    def _answer(self, asked: Asked) -> tuple[bytes, int]:
        if self.everything or any(POISON in text for text in asked.body.get("input", ())):
            return b'{"error": {"code": "content_filter"}}', 400
        return super()._answer(asked)


class Wordless(Picky):
    """Says nothing known of why."""

    def _answer(self, asked: Asked) -> tuple[bytes, int]:
        data, status = super()._answer(asked)
        return (data if status == 200 else b"no: " + str(asked.body).encode(), status)


def settings(fake: Provider) -> dict[str, object]:
    return {"kind": "openai", "base_url": fake.url, "model": "m", "dimensions": WIDTH}


async def said(house: House) -> None:
    for number in range(30):
        await house.say("s", f"the heron stood still, number {number}")
        if number == 15:
            await house.say("s", f"a word of {POISON}")


async def test_one_refused_text_leaves_its_neighbours_their_vectors(tmp_path: Path) -> None:
    async with provider() as fake:
        fake.__class__ = Picky
        async with house_at(tmp_path, embedder=settings(fake)) as house:
            await said(house)
            await house.settle()
            usage = await house.r.usage()
            assert usage.vectors == usage.chunks  # one of them all zeros, so that it is not sent again
            assert usage.embedded == VectorCount(usage.chunks - 1, usage.chunks, {"content_filter": 1})
            report = await house.r.verbs(TendingVerbs).consistency("viking://~")
            assert (report.missing, report.refused) == (0, {"content_filter": 1})
            assert (await house.queue("embed")).dead == 0
            asked = len(fake.seen)
            await house.say("s", "one more")
            await house.settle()
            assert not any(POISON in str(one.body) for one in fake.seen[asked:])
            assert (await house.r.find(POISON)).hits


async def test_an_embedder_that_refuses_everything_marks_nothing(tmp_path: Path) -> None:
    async with provider() as fake:
        fake.__class__ = Picky
        async with house_at(tmp_path, embedder=settings(fake)) as house:
            assert isinstance(fake, Picky)
            fake.everything = True
            await house.say("s", "the heron stood still")
            (job,) = [job for job in await house.lease(8) if job.kind == "embed"]
            from recalld.usecases.upkeep.embed import embed

            with pytest.raises(Upstream):
                await embed(job, house.ports)
            assert (await house.r.usage()).vectors == 0


async def test_a_text_that_changed_is_refused_no_longer(tmp_path: Path) -> None:
    note = "viking://resources/a.md"
    async with provider() as fake:
        fake.__class__ = Picky
        async with house_at(tmp_path, embedder=settings(fake)) as house:
            await house.write(note, f"a word of {POISON}")
            await house.settle()
            copied = await house.r.cp(note, "viking://resources/b.md")
            await house.settle()
            refused = (await house.r.usage()).embedded.refused
            await house.write(note, "a word of honey")
            await house.r.rm("viking://resources/b.md")
            await house.settle()
            counted = (await house.r.usage()).embedded
            assert copied
            assert set(refused) == {"content_filter"}
            assert (counted.refused, counted.made) == ({}, counted.wanted)


async def test_a_refusal_without_a_known_word_is_an_invalid_request(tmp_path: Path) -> None:
    async with provider() as fake:
        fake.__class__ = Wordless
        async with house_at(tmp_path, embedder=settings(fake)) as house:
            await said(house)
            await house.settle()
            assert (await house.r.usage()).embedded.refused == {"invalid_request": 1}
