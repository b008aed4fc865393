"""Eight families of errors. Every error names the object, the cause and the remedy; surfaces map each family once."""

from __future__ import annotations

import errno
from collections.abc import Mapping

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""With these a disk, a quota or a limit on the size of files refuses a write."""


class RecalldError(Exception):
    """An error with a remedy.

    ``message``: what is wrong with which object; ``remedy``: what to do about it. ``code``: the API's code
    (``INVALID_URI`` ...); ``details``: facts for programs. ``retryable``: the same call may succeed later.
    """

    code = "INTERNAL"
    retryable = False

    def __init__(
        self, message: str, *, remedy: str = "", code: str = "", details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code or type(self).code
        self.details: dict[str, object] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class Invalid(RecalldError):
    """The input is invalid; repeating the call changes nothing."""

    code = "INVALID_ARGUMENT"


class Denied(RecalldError):
    """The caller may not do this."""

    code = "PERMISSION_DENIED"


class NotFound(RecalldError):
    """The object does not exist, or not for this caller."""

    code = "NOT_FOUND"


class Conflict(RecalldError):
    """The state does not allow it: exists already, changed meanwhile, precondition not met."""

    code = "CONFLICT"


class Busy(RecalldError):
    """A limit is reached; try again after ``retry_after_s``."""

    code = "UNAVAILABLE"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 1.0, remedy: str = "", code: str = "") -> None:
        super().__init__(message, remedy=remedy or f"retry in {retry_after_s:g} s", code=code)
        self.retry_after_s = retry_after_s


class Upstream(RecalldError):
    """A provider, the disk or a deadline failed; the request itself is valid."""

    code = "UNAVAILABLE"
    retryable = True


class Corrupt(RecalldError):
    """Stored data does not match its checksum."""

    code = "INTERNAL"


class Closed(RecalldError):
    """The store, the server or the session is closed."""

    code = "UNAVAILABLE"
    retryable = True


def deadline_exceeded(operation: str, timeout_s: float, remedy: str = "") -> Upstream:
    """Return an ``Upstream`` with the API's 504 code: ``operation`` did not end in ``timeout_s`` seconds. ``remedy``
    states what became of it, which only the caller knows."""
    return Upstream(
        f"{operation} did not end in {timeout_s:g} s",
        remedy=remedy or "try again later or allow more time",
        code="DEADLINE_EXCEEDED",
        details={"operation": operation, "timeout": timeout_s},
    )


def disk_full(message: str = "the disk is full: nothing was written") -> Upstream:
    """Return the error of a write refused by a full disk or a quota."""
    return Upstream(
        message, remedy="remove something, or free some space; reading goes on meanwhile", details={"resource": "disk"}
    )


def refused_by_disk(failure: BaseException | str) -> bool:
    """True for errors of ``disk_full``."""
    return isinstance(failure, Upstream) and failure.details.get("resource") == "disk"
