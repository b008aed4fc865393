"""Eight families of failure. Every error names the thing, the cause and the remedy; surfaces map each family once."""

from __future__ import annotations

from collections.abc import Mapping


class RecalldError(Exception):
    """A failure somebody can act on.

    ``message`` says what is wrong with which thing; ``remedy`` what to do about it. ``code`` is the wire contract's
    word for it (``INVALID_URI`` ...); ``details`` are facts for programs. ``retryable``: the same call may succeed later.
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
    """The input cannot mean anything here; sending it again changes nothing."""

    code = "INVALID_ARGUMENT"


class Denied(RecalldError):
    """The caller may not do this."""

    code = "PERMISSION_DENIED"


class NotFound(RecalldError):
    """The thing named is not there, or not for this caller."""

    code = "NOT_FOUND"


class Conflict(RecalldError):
    """The state does not allow it: exists already, changed meanwhile, precondition unmet."""

    code = "CONFLICT"


class Busy(RecalldError):
    """A limit is reached; try again after ``retry_after_s``."""

    code = "UNAVAILABLE"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 1.0, remedy: str = "", code: str = "") -> None:
        super().__init__(message, remedy=remedy or f"retry in {retry_after_s:g} s", code=code)
        self.retry_after_s = retry_after_s


class Upstream(RecalldError):
    """A provider, disk or deadline failed us; nothing is wrong with the request."""

    code = "UNAVAILABLE"
    retryable = True


class Corrupt(RecalldError):
    """Stored data does not verify."""

    code = "INTERNAL"


class Closed(RecalldError):
    """The store, the server or the session has been shut."""

    code = "UNAVAILABLE"
    retryable = True


def deadline_exceeded(operation: str, timeout_s: float, remedy: str = "") -> Upstream:
    """An ``Upstream`` with the wire's 504 code: ``operation`` did not end in ``timeout_s`` seconds. ``remedy`` says what became
    of it, which only the caller knows."""
    return Upstream(
        f"{operation} did not end in {timeout_s:g} s",
        remedy=remedy or "ask again later or allow more time",
        code="DEADLINE_EXCEEDED",
        details={"operation": operation, "timeout": timeout_s},
    )


def disk_full(message: str = "the disk is full: nothing was written") -> Upstream:
    """The refusal of a write for which the disk, or a quota, has no room."""
    return Upstream(
        message, remedy="remove something, or free some space; reading goes on meanwhile", details={"resource": "disk"}
    )


def refused_by_disk(failure: BaseException | str) -> bool:
    """True for what ``disk_full`` made."""
    return isinstance(failure, Upstream) and failure.details.get("resource") == "disk"
