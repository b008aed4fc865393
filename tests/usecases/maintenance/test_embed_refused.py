"""A text that the embedder refuses costs other texts no vector."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.domain.errors import Upstream
from recalld.domain.job import EmbedPayload
from recalld.domain.results import VectorCount
from recalld.usecases.maintenance.embed import embed
from tests.fakes.provider import WIDTH, Provider, ReceivedRequest, provider
from tests.harness import Harness, harness_at

POISON = "poison"


class Picky(Provider):
    """Refuses every batch that holds the poison, or everything."""

    everything = False

    def _answer(self, request: ReceivedRequest) -> tuple[bytes, int]:
        if self.everything or any(POISON in text for text in request.body.get("input", ())):
            return b'{"error": {"code": "content_filter"}}', 400
        return super()._answer(request)


class Wordless(Picky):
    """Says nothing known of why."""

    def _answer(self, request: ReceivedRequest) -> tuple[bytes, int]:
        data, status = super()._answer(request)
        return (data if status == 200 else b"no: " + str(request.body).encode(), status)


def settings(fake: Provider) -> dict[str, object]:
    return {"provider": "openai", "base_url": fake.url, "model": "m", "dimensions": WIDTH, "static": False}


async def append_messages(harness: Harness) -> None:
    for number in range(30):
        await harness.append("s", f"the heron stood still, number {number}")
        if number == 15:
            await harness.append("s", f"a word of {POISON}")


async def test_one_refused_text_leaves_its_neighbours_their_vectors(tmp_path: Path) -> None:
    async with provider() as fake:
        fake.__class__ = Picky
        async with harness_at(tmp_path, embedder=settings(fake)) as harness:
            await append_messages(harness)
            await harness.settle()
            usage = await harness.engine.usage()
            assert usage.vectors == usage.chunks  # one of them all zeros, so that it is not sent again
            assert usage.embedded == (VectorCount(usage.chunks - 1, usage.chunks, {"content_filter": 1}, "openai:m"),)
            report = await harness.engine.index.consistency("viking://~")
            assert (report.missing, report.refused) == (0, {"content_filter": 1})
            assert (await harness.queue("embed")).dead == 0
            request_count = len(fake.seen)
            await harness.append("s", "one more")
            await harness.settle()
            assert not any(POISON in str(one.body) for one in fake.seen[request_count:])
            assert (await harness.engine.find(POISON)).hits


async def test_an_embedder_that_refuses_everything_marks_nothing(tmp_path: Path) -> None:
    async with provider() as fake:
        fake.__class__ = Picky
        async with harness_at(tmp_path, embedder=settings(fake)) as harness:
            assert isinstance(fake, Picky)
            fake.everything = True
            await harness.append("s", "the heron stood still")
            (job,) = [job for job in await harness.lease(8) if job.kind == "embed"]

            with pytest.raises(Upstream):
                await embed(EmbedPayload.decode(job), harness.ports)
            assert (await harness.engine.usage()).vectors == 0


async def test_a_text_that_changed_is_refused_no_longer(tmp_path: Path) -> None:
    note = "viking://resources/a.md"
    async with provider() as fake:
        fake.__class__ = Picky
        async with harness_at(tmp_path, embedder=settings(fake)) as harness:
            await harness.write(note, f"a word of {POISON}")
            await harness.settle()
            copied = await harness.engine.cp(note, "viking://resources/b.md")
            await harness.settle()
            refused = (await harness.engine.usage()).embedded[0].refused
            await harness.write(note, "a word of honey")
            await harness.engine.rm("viking://resources/b.md")
            await harness.settle()
            (counted,) = (await harness.engine.usage()).embedded
            assert copied
            assert set(refused) == {"content_filter"}
            assert (counted.refused, counted.made) == ({}, counted.wanted)


async def test_a_refusal_without_a_known_word_is_an_invalid_request(tmp_path: Path) -> None:
    async with provider() as fake:
        fake.__class__ = Wordless
        async with harness_at(tmp_path, embedder=settings(fake)) as harness:
            await append_messages(harness)
            await harness.settle()
            assert (await harness.engine.usage()).embedded[0].refused == {"invalid_request": 1}
