"""Cost estimates of imports."""

from __future__ import annotations

from recalld.rules.costs import estimate, of_text


def test_nothing_costs_nothing() -> None:
    assert estimate([]).tokens == estimate([]).calls == 0


def test_every_file_and_every_directory_is_a_call() -> None:
    assert estimate([("a.md", 10), ("x/b.md", 10), ("x/c.md", 10)]).calls == 5


def test_a_huge_text_costs_no_more_than_its_beginning() -> None:
    assert of_text(10**9) == of_text(10**7) > of_text(1_000)
