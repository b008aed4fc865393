"""Limits on the number of connections."""

from __future__ import annotations

import pytest

from recalld.surfaces.http.connections import (
    FILES_RESERVED,
    HEALTH_ONLY_MAX,
    LINGERING_MAX,
    Admittance,
    Bounds,
    Connections,
    bounds,
    files_wanted,
)


class Silent:
    """A connection that is only counted."""

    evicted = False

    def evict(self) -> None:
        self.evicted = True


def come(connections: Connections, host: str, *, mark_busy: bool = False) -> tuple[Silent, Admittance]:
    one = Silent()
    standing = connections.admit(one, host)
    if mark_busy:
        connections.mark_busy(one)
    return one, standing


def test_an_address_evicts_only_its_own_connections() -> None:
    there = Connections(Bounds(10, 2))
    other, _ = come(there, "10.0.0.2")
    first, _ = come(there, "10.0.0.1")
    come(there, "10.0.0.1")
    assert come(there, "10.0.0.1")[1] is Admittance.ADMITTED
    assert (first.evicted, other.evicted) == (True, False)


def test_an_address_with_busy_connections_gets_health_only() -> None:
    there = Connections(Bounds(10, 2))
    for _ in range(2):
        come(there, "10.0.0.1", mark_busy=True)
    assert come(there, "10.0.0.1")[1] is Admittance.HEALTH_ONLY
    assert come(there, "10.0.0.2")[1] is Admittance.ADMITTED


@pytest.mark.parametrize("newcomer", ["10.0.0.66", "10.0.0.9"])
def test_opening_many_connections_closes_own_idle_ones(newcomer: str) -> None:
    there = Connections(Bounds(12, 10))
    others = [come(there, f"10.0.0.{n}")[0] for n in range(1, 5)]
    many = [come(there, "10.0.0.66")[0] for _ in range(8)]
    for _ in range(3):
        assert come(there, newcomer)[1] is Admittance.ADMITTED
    assert [one.evicted for one in others] == [False] * 4
    assert [one.evicted for one in many] == [True] * 3 + [False] * 5


def test_a_proxy_on_this_machine_keeps_its_connections_before_an_address_that_fills_its_share() -> None:
    there = Connections(Bounds(12, 4))
    proxied = [come(there, "127.0.0.1")[0] for _ in range(8)]
    many = [come(there, "10.0.0.66")[0] for _ in range(4)]
    assert come(there, "10.0.0.9")[1] is Admittance.ADMITTED
    assert [one.evicted for one in proxied] == [False] * 8
    assert many[0].evicted


def test_among_addresses_alike_the_longest_silence_makes_room() -> None:
    there = Connections(Bounds(3, 3))
    first, second, third = (come(there, f"10.0.0.{n}")[0] for n in range(3))
    there.mark_busy(first)
    there.mark_idle(first)
    come(there, "10.0.0.9")
    assert (first.evicted, second.evicted, third.evicted) == (False, True, False)


def test_busy_connections_are_never_closed() -> None:
    there = Connections(Bounds(4, 4))
    busy = [come(there, "10.0.0.66", mark_busy=True)[0] for _ in range(3)]
    silent, _ = come(there, "10.0.0.1")
    assert come(there, "10.0.0.66", mark_busy=True)[1] is Admittance.ADMITTED
    assert silent.evicted
    assert come(there, "10.0.0.1")[1] is Admittance.HEALTH_ONLY
    assert not any(one.evicted for one in busy)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", ""])
def test_this_machines_own_addresses_may_have_all(host: str) -> None:
    there = Connections(Bounds(10, 2))
    for _ in range(10):
        assert come(there, host, mark_busy=True)[1] is Admittance.ADMITTED


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    there = Connections(Bounds(10, 2))
    first, _ = come(there, "2001:db8::1")
    for n in (2, 3):
        come(there, f"2001:db8::{n}")
    assert first.evicted
    assert come(there, "2001:db8:0:1::1")[1] is Admittance.ADMITTED


def test_beyond_the_spare_ones_a_newcomer_is_refused_until_another_leaves() -> None:
    there = Connections(Bounds(2, 2))
    busy = [come(there, "127.0.0.1", mark_busy=True)[0] for _ in range(2 + HEALTH_ONLY_MAX)]
    assert come(there, "127.0.0.1")[1] is Admittance.REFUSED
    assert there.counts["refused"] == 1
    for one in busy:
        there.remove(one)
    assert len(there) == 0
    assert come(there, "127.0.0.1")[1] is Admittance.ADMITTED


def test_only_so_many_refused_ones_linger() -> None:
    there = Connections(Bounds(1, 1))
    assert sum(there.may_linger(Silent()) for _ in range(3 * LINGERING_MAX)) == LINGERING_MAX


@pytest.mark.parametrize("files", [128, 256, 1024, 65_536])
def test_connections_stay_below_the_files(files: int) -> None:
    found = bounds(1000, 256, files)
    assert found.address <= found.total <= 1000
    if files >= 256:
        assert found.total + HEALTH_ONLY_MAX + LINGERING_MAX + found.backlog + FILES_RESERVED <= files


def test_all_connections_stay_while_file_descriptors_suffice() -> None:
    assert bounds(1000, 256, files_wanted(1000)).total == 1000


def test_an_attack_does_not_flood_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now, lines = [0.0], []
    monkeypatch.setattr("recalld.surfaces.http.connections._log.warning", lambda event, **more: lines.append(more))
    there = Connections(Bounds(1, 1), now=lambda: now[0])
    for _ in range(100):
        come(there, "127.0.0.1")
    now[0] = 20.0
    come(there, "127.0.0.1")
    assert [line["since_last"] for line in lines] == [1, 99]
