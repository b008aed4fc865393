"""A live server and its worker are killed at any instant: acknowledged requests apply once, others completely or not at
all, and the next start is as fast as any."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recalld.app.engine import Engine
from tests.crash.actors import Actor, Importer, Talker, Writer, run
from tests.live import Server, doctor, launch

pytestmark = pytest.mark.live
READY_S_MAX = 5.0
KILLS = 200
KINDS = {
    "append",
    "batch",
    "commit",
    "create",
    "replace",
    "batch write",
    "mv",
    "mv folder",
    "rm",
    "rm folder",
    "add",
    "undo",
}


@dataclass(slots=True)
class Toll:
    """What a loop of kills came to."""

    server_kills: int = 0
    worker_kills: int = 0
    early_kills: int = 0
    ready_s: list[float] = field(default_factory=list)
    clean_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        slow = sorted(self.ready_s)
        return (
            f"{self.server_kills} server kills, {self.early_kills} of them before it was ready, {self.worker_kills} worker kills; "
            f"ready after {slow[len(slow) // 2]:.2f} s (median), {slow[-1]:.2f} s (worst); clean start {self.clean_s:.2f} s; "
            f"acknowledged {dict(self.done)}"
        )


class Loop:
    """Rounds over one folder. A generation of actors lives for a few rounds, so that a round's check stays short."""

    def __init__(self, data: Path, seed: int, rounds_of_actors: int = 8) -> None:
        self.data = data
        self.chance = random.Random(seed)
        self.toll = Toll()
        self._generation = 0
        self._rounds_left = 0
        self._rounds_of_actors = rounds_of_actors
        self._actors: list[Actor] = []
        self._retired: list[Actor] = []

    def run(self, rounds: int, early: float = 0.2, worker: float = 0.25) -> None:
        """``rounds`` kills of the server; ``early``, ``worker``: with which chance others come before."""
        server = self._start()
        self.toll.clean_s = server.ready_s
        while self.toll.server_kills < rounds:
            self._next_generation()
            worker_dies = self.chance.random() < worker
            self._busy(server, worker_dies)
            self.toll.server_kills += 1
            if self.chance.random() < early:
                self._early_kill()
            server = self._start()
            # A job may be tried a few times only: kill upon kill must not be held against it.
            self._recovered(server, settled=worker_dies or self._rounds_left % 2 == 0)
        self._end(server)

    def _start(self) -> Server:
        server = launch(self.data)
        self.toll.ready_s.append(server.ready_s)
        return server

    def _next_generation(self) -> None:
        if self._rounds_left == 0:
            self._retired += self._actors
            self._generation += 1
            name = f"g{self._generation}"
            self._actors = [
                Talker(f"{name}a", random.Random(self.chance.random())),
                Talker(f"{name}b", random.Random(self.chance.random())),
                Writer(name, random.Random(self.chance.random())),
                Importer(name, random.Random(self.chance.random()), imports_max=0),
            ]
            self._rounds_left = self._rounds_of_actors
        self._rounds_left -= 1
        for actor in self._actors:
            if isinstance(actor, Importer):
                actor.imports_left = self.chance.randint(1, 3)

    def _busy(self, server: Server, worker_dies: bool) -> None:
        failures: list[BaseException] = []
        threads = [threading.Thread(target=run, args=(actor, server.line(), failures.append)) for actor in self._actors]
        for thread in threads:
            thread.start()
        time.sleep(self.chance.uniform(0.02, 0.8))
        if worker_dies:
            server.worker_other_than().kill()
            self.toll.worker_kills += 1
            time.sleep(self.chance.uniform(0.02, 1.0))
        # Nobody may have stopped before the kill: a worker's death is nobody else's business.
        assert all(thread.is_alive() for thread in threads) or failures
        server.kill()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _early_kill(self) -> None:
        server = launch(self.data, wait=False)
        time.sleep(self.chance.uniform(0.0, 1.5))
        server.kill()
        self.toll.server_kills += 1
        self.toll.early_kills += 1

    def _recovered(self, server: Server, settled: bool) -> None:
        line = server.line()
        for actor in self._actors:
            actor.recover(line)
        if settled:
            line.settle()
            for actor in self._actors:
                actor.check(line)
        line.close()

    def _end(self, server: Server) -> None:
        line = server.line()
        line.settle()
        for actor in [*self._retired, *self._actors]:
            actor.check(line)
            self.toll.done += actor.done
        line.close()
        assert server.stop() == 0


async def faults(data: Path) -> list[str]:
    """What the store's own check says."""
    async with Engine.open(data, worker="none", embedder={"provider": "none"}) as engine:
        return await engine.check()


def killed(data: Path, rounds: int, seed: int) -> Toll:
    loop = Loop(data, seed)
    loop.run(rounds)
    assert asyncio.run(faults(data)) == []
    assert doctor(data)["exit"] == 0
    print(f"\n{loop.toll}")
    return loop.toll


def test_acknowledged_writes_survive_a_server_kill(tmp_path: Path) -> None:
    toll = killed(tmp_path / "store", rounds=2, seed=1)
    assert toll.done["append"] > 20
    # A start after a kill has more to do than a first one, not an order more; seconds are the slow loop's affair.
    assert min(toll.ready_s[1:]) < 3 * max(toll.clean_s, 1.0)


@pytest.mark.slow
def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as both:  # two stores, for two cores
        tolls = list(both.map(lambda n: killed(tmp_path / f"store{n}", rounds=KILLS // 2, seed=20 + n), range(2)))
    done = tolls[0].done + tolls[1].done
    assert sum(toll.server_kills for toll in tolls) >= KILLS
    assert done.keys() >= KINDS
    for toll in tolls:
        slowest_s = max(toll.ready_s)
        assert slowest_s <= max(READY_S_MAX, 3 * toll.clean_s), f"the slowest start took {slowest_s:.1f} s"
