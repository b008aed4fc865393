"""Tickets work once, for a limited time."""

from __future__ import annotations

import pytest

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied
from recalld.surfaces.http.tickets import CALLER_TICKETS_MAX, TICKET_S, Tickets

ANA = Caller(user="ana")
URI = "viking://resources/a.md"


class Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets()
    token = tickets.issue(ANA, URI)
    ticket = tickets.take(token)
    assert (ticket.caller, ticket.uri) == (ANA, URI)
    with pytest.raises(Denied):
        tickets.take(token)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "x" * 10_000])
def test_malformed_tickets_are_refused(token: str) -> None:
    with pytest.raises(Denied):
        Tickets().take(token)


def test_a_ticket_ends_after_ten_minutes() -> None:
    watch = Watch()
    tickets = Tickets(watch)
    early, late = tickets.issue(ANA, URI), tickets.issue(ANA, URI)
    watch.now = TICKET_S - 1
    assert tickets.take(early).uri == URI
    watch.now = TICKET_S
    with pytest.raises(Denied):
        tickets.take(late)


def test_tickets_beyond_the_limit_evict_the_users_own_oldest() -> None:
    tickets = Tickets()
    bens = tickets.issue(Caller(user="ben"), URI)
    issued = [tickets.issue(Caller(user="ana", peer=f"peer{n % 7}"), URI) for n in range(CALLER_TICKETS_MAX + 1)]
    with pytest.raises(Denied):
        tickets.take(issued[0])
    assert tickets.take(issued[1]).uri == URI
    assert tickets.take(bens).uri == URI


def test_there_are_only_so_many_tickets_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recalld.surfaces.http.tickets.TICKETS_MAX", 3)
    tickets = Tickets()
    issued = [tickets.issue(Caller(user=f"user{n}"), URI) for n in range(4)]
    with pytest.raises(Denied):
        tickets.take(issued[0])
    assert [tickets.take(one).uri for one in issued[1:]] == [URI] * 3


def test_no_two_tickets_are_alike_and_none_can_be_guessed() -> None:
    tickets = Tickets()
    issued = {tickets.issue(ANA, URI) for _ in range(100)}
    assert len(issued) == 100
    assert min(len(token) for token in issued) >= 43
