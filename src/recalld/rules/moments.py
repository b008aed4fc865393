"""Parses times in the forms clients send: ISO 8601, RFC 2822, and epoch numbers in seconds, milliseconds, microseconds
or nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{1,12})?")
_DAY = re.compile(r"\d{8}")
# The unit of a number is the one that puts it between 1973 and 5138.
_UNITS = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e3), (1e14, 1e17, 1e6), (1e17, 1e20, 1e9))
_LONGEST = 64


def read_moment(value: object) -> datetime | None:
    """Parse a time with its own offset (UTC by default); None for other values."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _of_number(float(value))
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = value.strip()
    if not text:
        return None
    if _NUMBER.fullmatch(text) and not _DAY.fullmatch(text):
        return _of_number(float(text))
    try:
        return _aware(datetime.fromisoformat(_plain(text)))
    except ValueError:
        pass  # try RFC 2822 next
    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, IndexError, TypeError, OverflowError):
        return None


def epoch_of(value: object) -> float | None:
    """Parse a time as epoch seconds; None for other values."""
    found = read_moment(value)
    try:
        return None if found is None else found.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def at_offset_of(stamp: str, at: float) -> datetime:
    """Return epoch seconds as a time at the offset of the time stamp they came from (UTC if it has none): 02:00+08:00
    on 1 May is 1 May, not 30 April. Times outside the calendar become the epoch."""
    own = read_moment(stamp) if stamp else None
    try:
        if own is not None and own.timestamp() == at:
            return own
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _plain(text: str) -> str:
    """Convert ``2024-03-05 10:00:00 UTC`` and ``…z`` to the form of the standard library."""
    for zone in ("Z", "z", " UTC", " GMT"):
        if text.endswith(zone):
            return text.removesuffix(zone) + "+00:00"
    return text


def _aware(found: datetime) -> datetime:
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _of_number(number: float) -> datetime | None:
    for low, high, per_second in _UNITS:
        if low <= number < high:
            return datetime.fromtimestamp(number / per_second, UTC)
    return None
