"""How a client talks to a server: the envelope opened, errors as our own families, retries where they cannot hurt."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

from recalld.domain.caller import identifier
from recalld.domain.errors import (
    Busy,
    Conflict,
    Corrupt,
    Denied,
    Invalid,
    NotFound,
    RecalldError,
    Upstream,
)
from recalld.rules.encoding import decode
from recalld.rules.redact import HIDDEN

from .http_connection import DEFAULT_URL, Answer, HttpConnection, Progress, Upload

API = "/api/v1"
BUSY_ATTEMPTS = 4
RETRY_PAUSE_MAX_S = 5.0
KEY_CHARS_MIN = 8
"""A shorter key is found in too many words to be hidden."""
_FAMILIES: dict[str, type[RecalldError]] = {
    **dict.fromkeys(
        (
            "INVALID_ARGUMENT",
            "INVALID_URI",
            "UNSUPPORTED_URI",
            "UNSUPPORTED_MODE",
            "SKILL_INVALID",
            "INVALID_FILTER",
            "SKILL_CAPABILITY_UNAVAILABLE",
            "UNIMPLEMENTED",
        ),
        Invalid,
    ),
    **dict.fromkeys(("PERMISSION_DENIED", "UNAUTHENTICATED"), Denied),
    "NOT_FOUND": NotFound,
    **dict.fromkeys(
        ("ALREADY_EXISTS", "CONFLICT", "ABORTED", "WRITE_CONFLICT", "FAILED_PRECONDITION", "SESSION_EXPIRED"), Conflict
    ),
    **dict.fromkeys(
        (
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
            "MODEL_UNAVAILABLE",
            "EMBEDDING_FAILED",
            "VLM_FAILED",
            "NO_VECTOR_DB",
            "WRITE_FAILED",
        ),
        Upstream,
    ),
    **dict.fromkeys(("RESTORE_WRITEBACK_PARTIAL", "CORRUPT"), Corrupt),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: the envelope's ``result`` (or the whole body where there is no envelope).

    ``degraded`` names what was late or missing (() = complete); ``server_s`` is the server's own measure of the time;
    ``truncated``: the limit that cut the answer short (0 = it is whole).
    """

    result: Any
    degraded: tuple[str, ...] = ()
    server_s: float = 0.0
    status: int = 200
    truncated: int = 0


class Transport:
    """One connection to one server, acting as one user; for one thread at a time. ``truncated``: the limit that cut the last
    answer short (0: it was whole).

    A key says who one is: with ``api_key`` and ``user`` or ``account``, the first call asks a server that knows its users by their
    keys whose key it is, and raises ``Denied`` if it is another's. Elsewhere ``user`` and ``account`` choose.

    Not connected yet: tried ``CONNECT_ATTEMPTS`` times, then ``Closed`` saying how to start a server. A 503 or 429 that
    names a ``Retry-After``, and a connection that breaks under way, are tried again only for calls marked ``safe``
    (reads, and writes that carry an id). ``pause`` waits; tests give their own.

    It stands on the standard library: importing an HTTP framework would take half of a command's start-up time.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        user: str = "",
        account: str = "",
        api_key: str = "",
        timeout_s: float = 60.0,
        pause: Callable[[float], None] = time.sleep,  # noqa: TID251 - a synchronous client has no loop to hold up
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self.pause = pause
        for text, what in ((user, "user"), (account, "account")):
            if text:
                identifier(text, what)
        if not all("!" <= c <= "~" for c in api_key):
            raise Invalid(
                "the API key holds characters that no key has", remedy="copy it again, without quotes or spaces"
            )
        self._connection = HttpConnection(self.url, pause)
        self._key = api_key
        self._claimed = {"user": user, "account": account} if api_key and (user or account) else {}
        """Who we are to be, until the server has confirmed that the key is theirs."""
        named = {"X-OpenViking-User": user, "X-OpenViking-Account": account, "X-API-Key": api_key}
        self.truncated = 0
        self._headers = {"Accept": "application/json", **{name: value for name, value in named.items() if value}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def get(self, path: str, **params: Any) -> Reply:
        """``GET`` a path below ``/api/v1``. See ``call``."""
        return self.call("GET", API + path, params=params)

    def post(self, path: str, body: Mapping[str, Any], *, safe: bool = False, timeout_s: float | None = None) -> Reply:
        """``POST`` to a path below ``/api/v1``. See ``call``."""
        return self.call("POST", API + path, body=body, safe=safe, timeout_s=timeout_s)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        upload: Upload | None = None,
        safe: bool | None = None,
        timeout_s: float | None = None,
        expect: tuple[int, ...] = (),
    ) -> Reply:
        """Ask once, or again where that is safe, and open the envelope.

        ``params``/``body``: keys whose value is None are left out. ``safe`` None: all but POST. ``timeout_s``: None =
        the client's own, ``inf`` = as long as it takes. ``expect``: further statuses that are answers, not errors.
        Raises the families of ``domain.errors``.
        """
        self._check_claimed(path)
        target = path + _query(params or {})
        data, own = _payload(body) if upload is None else (upload, upload.headers)
        headers = {**self._headers, **own}
        seconds = self.timeout_s if timeout_s is None else timeout_s
        may_repeat = method != "POST" if safe is None else safe
        for attempt in range(1, BUSY_ATTEMPTS + 1):
            answer = self._connection.send(method, target, headers, data, seconds, may_repeat)
            wait_s = _retry_after_s(answer)
            if wait_s is None or not may_repeat or attempt == BUSY_ATTEMPTS:
                break
            self.pause(min(wait_s, RETRY_PAUSE_MAX_S))
        reply = _open(answer, path, expect, self._key)
        self.truncated = reply.truncated
        return reply

    def save(
        self,
        method: str,
        path: str,
        file: BinaryIO,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        progress: Progress | None = None,
    ) -> None:
        """Write a download to ``file`` as it comes. Raises the families of ``domain.errors``."""
        self._check_claimed(path)
        data, own = _payload(body)
        headers = {**self._headers, **own}
        answer = self._connection.save(method, path + _query(params or {}), headers, data, file, progress)
        self._check_status(answer, path)

    def fetch(self, path: str, *, params: Mapping[str, Any] | None = None) -> bytes:
        """A download as it comes, without an envelope. Raises the families of ``domain.errors``."""
        self._check_claimed(path)
        answer = self._connection.send("GET", path + _query(params or {}), self._headers, None, self.timeout_s, True)
        self._check_status(answer, path)
        return answer.body

    def _check_status(self, answer: Answer, path: str) -> None:
        if answer.status >= 400:
            raise _error(answer, path, _failure(_json(answer, path), self._key))

    def _check_claimed(self, path: str) -> None:
        """Once, before the first call that acts as somebody. Raises ``Denied`` where the key is not that of whom we claim to be:
        the server would act as the key's owner and say nothing."""
        if not self._claimed or path in _OPEN:
            return
        claimed, self._claimed = self._claimed, {}  # what is asked to find out needs no check of its own
        try:
            self._check_owner(claimed)
        except RecalldError:
            self._claimed = claimed
            raise

    def _check_owner(self, claimed: Mapping[str, str]) -> None:
        owner = self._owner()
        if owner is None:
            return
        for what, name in claimed.items():
            if name and (owner["role"] == "root" or name != owner[f"{what}_id"]):
                raise _not_theirs(what, name, owner)

    def _owner(self) -> dict[str, str] | None:
        """Whose key ours is: ``user_id``, ``account_id``, ``role``; None where a key does not say who one is, and from servers
        that do not tell."""
        health = self._health()
        if health.get("auth_mode") == "api_key" and "user_id" not in health:
            # A wrong key, or a server that is busy or still opens: this route refuses, or waits until it knows.
            self.call("GET", "/api/v1/system/status")
            health = self._health()
        if health.get("auth_mode") != "api_key" or "user_id" not in health:
            return None
        return {name: str(health.get(name) or "") for name in ("user_id", "account_id", "role")}

    def _health(self) -> Mapping[str, Any]:
        try:
            health = self.call("GET", "/health").result
        except NotFound:  # a gateway that passes on the API alone
            return {}
        return health if isinstance(health, dict) else {}


_OPEN = frozenset({"/health", "/ready", "/metrics"})
"""Paths that act as no user."""


def _not_theirs(what: str, name: str, owner: Mapping[str, str]) -> Denied:
    if owner["role"] == "root":
        whose = "the root key, which acts as no user"
    else:
        whose = f"that of user {owner['user_id']} in account {owner['account_id']}"
    return Denied(
        f"the key is {whose}: it cannot act as {what} {name}",
        remedy=f"leave out the {what} (--{what}, RECALLD_{what.upper()}), or give the right key in RECALLD_API_KEY",
        details={"field": what},
    )


def family(code: str, message: str, *, details: Mapping[str, Any], retry_after_s: float | None) -> RecalldError:
    """The error of our own that stands for a wire error. The wire's message already ends with its remedy."""
    if code == "RESOURCE_EXHAUSTED" or (code == "UNAVAILABLE" and retry_after_s is not None):
        busy = Busy(message, retry_after_s=retry_after_s or 1.0, code=code)
        busy.details.update(details)
        return busy
    return _FAMILIES.get(code, RecalldError)(message, code=code, details=details)


def without_none(body: Any) -> Any:
    """A mapping without its None values; anything else as it is."""
    return {k: v for k, v in body.items() if v is not None} if isinstance(body, Mapping) else body


def _query(params: Mapping[str, Any]) -> str:
    """Keys whose value is None are left out; a list repeats its key."""
    pairs = [
        (key, str(one).lower() if isinstance(one, bool) else legible(str(one)))
        for key, value in params.items()
        for one in (value if isinstance(value, list | tuple) else (value,))
        if one is not None
    ]
    return "?" + urlencode(pairs) if pairs else ""


def legible(text: str) -> str:
    """A text that may come from a command line or a file name in another encoding, so that it can be sent: the bytes that
    Python could not read are read as text files are."""
    if not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    escaped = "".join(c if not "\ud800" <= c <= "\udfff" or "\udc80" <= c <= "\udcff" else "\ufffd" for c in text)
    return decode(escaped.encode("utf-8", "surrogateescape")).text


def _payload(body: Any) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, {}
    # Lone surrogates (a broken file name) stay escaped; they have no UTF-8 form.
    return json.dumps(without_none(body)).encode(), {"Content-Type": "application/json"}


def _failure(body: Any, key: str) -> Any:
    """An envelope's error, None if it has none. Without our key: other servers and gateways quote what they were sent."""
    error = body.get("error") if isinstance(body, dict) else None
    return json.loads(json.dumps(error).replace(key, HIDDEN)) if error and len(key) >= KEY_CHARS_MIN else error


def _open(answer: Answer, path: str, expect: tuple[int, ...], key: str) -> Reply:
    body = _json(answer, path)
    error = _failure(body, key)
    if error or (answer.status >= 400 and answer.status not in expect):
        raise _error(answer, path, error)
    enveloped = isinstance(body, dict) and "result" in body and body.get("status") == "ok"
    degraded = answer.headers.get("X-Recalld-Degraded", "")
    return Reply(
        # Routes that drop nulls answer a null result as {"status": "ok"} alone.
        body["result"] if enveloped else None if body == {"status": "ok"} else body,
        tuple(part.strip() for part in degraded.split(",") if part.strip()),
        _number(answer.headers.get("X-Process-Time")) or 0.0,
        answer.status,
        int(_number(answer.headers.get("X-Recalld-Truncated")) or 0),
    )


def _json(answer: Answer, path: str) -> Any:
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except ValueError as bad:
        if answer.status >= 400:
            return None
        raise Upstream(
            f"{path} answered something that is no JSON", remedy="does --url name a recalld server?"
        ) from bad


def _error(answer: Answer, path: str, error: Any) -> RecalldError:
    facts = error if isinstance(error, dict) else {}
    details = facts["details"] if isinstance(facts.get("details"), dict) else {}
    code = str(facts.get("code") or _CODES.get(answer.status, "UNKNOWN"))
    message = str(facts.get("message") or f"{path} answered {answer.status}")
    if answer.status == 413:
        return Invalid(message, code=code, details=details)
    return family(code, message, details=details, retry_after_s=_retry_after_s(answer))


_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "CONFLICT",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _retry_after_s(answer: Answer) -> float | None:
    """Seconds to wait before asking again; None if the server does not invite that."""
    return _number(answer.headers.get("Retry-After")) if answer.status in {429, 503} else None


def _number(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def segment(text: str, what: str) -> str:
    """Return a text as one segment of a path. Raises ``Invalid`` for a text that cannot be one."""
    if not text.strip() or text in {".", ".."} or "/" in text or "\\" in text:
        raise Invalid(
            f"{what} {text[:60]!r} is not an identifier",
            remedy="use letters, digits and . _ : @ -",
            details={"field": what},
        )
    return quote(unicodedata.normalize("NFC", legible(text)), safe="")
