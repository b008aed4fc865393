"""Times are parsed in the forms clients send, with their offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.rules.chunks import chunks_of_message
from recalld.rules.events import events
from recalld.rules.fact_sentences import day
from recalld.rules.moments import at_offset_of, epoch_of, read_moment


@pytest.mark.parametrize(
    "value",
    [
        "2024-03-05T10:00:00Z",
        "2024-03-05T10:00:00z",
        "2024-03-05 10:00:00 UTC",
        "2024-03-05T18:00:00+08:00",
        "20240305T100000Z",
        "Tue, 05 Mar 2024 10:00:00 +0000",
        1_709_632_800,
        1_709_632_800_000,
        1_709_632_800_000_000,
        1_709_632_800_000_000_000,
        "1709632800",
        "1709632800.000000",
        "1709632800000",
    ],
)
def test_one_moment_in_many_forms(value: object) -> None:
    assert epoch_of(value) == 1_709_632_800.0


@pytest.mark.parametrize(
    "value", ["", "yesterday", "2026-13-45", "12", 12, True, None, [], {}, float("nan"), float("inf"), -1]
)
def test_other_values_are_not_times(value: object) -> None:
    assert read_moment(value) is None


@given(st.one_of(st.text(max_size=80), st.floats(), st.integers()))
def test_any_value_is_accepted(value: object) -> None:
    assert epoch_of(value) is None or isinstance(epoch_of(value), float)


def test_eight_digits_are_a_day() -> None:
    assert f"{read_moment('20240305'):%Y-%m-%d}" == "2024-03-05"


def test_the_day_is_that_of_the_stamp_whatever_it_is_elsewhere() -> None:
    stamp = "2026-05-01T02:00:00+08:00"
    at = epoch_of(stamp)
    assert at is not None
    assert f"{at_offset_of(stamp, at):%Y-%m-%d}" == "2026-05-01"
    assert f"{at_offset_of('', at):%Y-%m-%d}" == "2026-04-30"


def test_an_event_is_filed_and_quoted_on_the_day_of_its_own_stamp() -> None:
    stamp = "2026-05-01T02:00:00+08:00"
    original = Message(
        "m1",
        "user",
        (),
        "I signed the lease on Elm Street with Greta today.",
        created_at=stamp,
        at=epoch_of(stamp) or 0,
    )
    (event,) = events((original,))
    assert event.path.startswith("events/2026/05/01/")
    assert "2026-05-01, m1" in event.text
    assert '"created_at": "2026-04-30T18:00:00Z"' in event.text
    assert day(original) == "2026-05-01"
    assert {"may", "1"} <= set(chunks_of_message("words", "user", original.at, stamp)[0].terms)
