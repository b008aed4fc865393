"""The loop measures its lag, and a stack sample shows the cause."""

from __future__ import annotations

import asyncio
import threading
import time

from recalld.infra.watchdog import BOUNDS_S, Watchdog


async def beats(dog: Watchdog, wanted: int) -> None:
    while dog.lag().beats < wanted:
        await asyncio.sleep(0.001)


async def test_a_loop_that_turns_freely_counts_its_beats() -> None:
    dog = Watchdog(beat_s=0.001)
    dog.start()
    await beats(dog, 20)
    dog.stop()
    got = dog.lag()
    assert got.samples == got.beats == sum(got.buckets)
    assert len(got.buckets) == len(BOUNDS_S) + 1


async def test_a_stall_is_measured_and_photographed() -> None:
    photos: list[tuple[str, float]] = []
    taken = threading.Event()

    def on_stall(stack: str, late_s: float) -> None:
        photos.append((stack, late_s))
        taken.set()

    def careless() -> None:
        # Blocks the loop for as long as it takes until somebody has noticed.
        assert taken.wait(10)

    dog = Watchdog(beat_s=0.005, late_s=0.02, on_stall=on_stall)
    dog.start()
    await beats(dog, 2)
    careless()
    await beats(dog, dog.lag().beats + 2)
    dog.stop()
    assert dog.lag().stalls >= 1
    assert dog.lag().max_s >= 0.02
    assert "careless" in photos[0][0]


async def test_one_stall_gives_one_stack_sample() -> None:
    photos: list[float] = []
    dog = Watchdog(beat_s=0.002, late_s=0.01, sample_interval_s=3600, on_stall=lambda _, late_s: photos.append(late_s))
    dog.start()
    for _ in range(3):
        await beats(dog, dog.lag().beats + 1)
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
    await beats(dog, dog.lag().beats + 1)
    dog.stop()
    assert len(photos) <= 1


async def test_a_stopped_watchdog_still_answers_and_stops_twice() -> None:
    dog = Watchdog(beat_s=0.001)
    assert dog.lag().max_s == 0.0
    dog.start()
    await beats(dog, 1)
    dog.stop()
    dog.stop()
    assert dog.lag().beats >= 1
