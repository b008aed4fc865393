"""Addresses as callers write them: aliases, context types, and which addresses may be written, removed and moved."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import ContextType
from recalld.domain.uri import HIDDEN_SCOPES, SCHEME, SCOPES, Uri, bad_uri

USER_AREAS = frozenset({"memories", "resources", "skills", "peers", "privacy", "sessions"})
AGENT_AREAS = frozenset({"skills", "endpoints", "tools", "payments"})
TIER_FILES = (".abstract.md", ".overview.md")
"""A directory's abstract (level 0) and overview (level 1) as files."""
SIDECARS = {name: level for level, name in enumerate(TIER_FILES)}
CREATABLE = frozenset({".md", ".txt", ".json", ".yaml", ".yml", ".toml", ".py", ".js", ".ts"})
_DOCUMENT = ".md"
_VARIABLE = re.compile(r"\{calendar:([a-z]+)\}")


def resolve(text: str, caller: Caller, now: float) -> Uri:
    """Parse a caller's text as an address.

    ``~`` and ``viking://session/...`` are the caller's own tree. So are ``viking://user/memories/...`` and similar
    addresses, which published clients send without a user id (unless a user has that name). ``{calendar:today}`` and
    the other calendar variables become date folders. Raises ``Invalid`` (``INVALID_URI``) and ``Denied``.
    """
    uri = Uri.parse(_VARIABLE.sub(lambda m: _calendar(m, text, now), text))
    parts = uri.parts
    if not parts:
        return uri
    head = parts[0]
    if head == "~":
        return Uri(("user", caller.user, *parts[1:]))
    if head == "session":
        return Uri(("user", caller.user, "sessions", *parts[1:]))
    if head == "user" and len(parts) > 1 and parts[1] in USER_AREAS and parts[1] != caller.user:
        return Uri(("user", caller.user, *parts[1:]))
    if head in HIDDEN_SCOPES or head not in SCOPES:
        raise bad_uri(text, f"scope {head!r} is not one of {', '.join(sorted(SCOPES))}")
    return uri


def _calendar(match: re.Match[str], whole: str, now: float) -> str:
    day = datetime.fromtimestamp(now, UTC)
    week = day.isocalendar()
    forms = {
        "today": f"{day:%Y/%m/%d}",
        "yesterday": f"{day - timedelta(days=1):%Y/%m/%d}",
        "tomorrow": f"{day + timedelta(days=1):%Y/%m/%d}",
        "year": f"{day:%Y}",
        "month": f"{day:%m}",
        "day": f"{day:%d}",
        "ym": f"{day:%Y/%m}",
        "quarter": f"Q{(day.month + 2) // 3}",
        "yq": f"{day:%Y}/Q{(day.month + 2) // 3}",
        "week": f"w{week.week:02d}",
        "yw": f"{week.year}/w{week.week:02d}",
    }
    if match[1] not in forms:
        raise bad_uri(whole, f"calendar variable {match[1]!r} is unknown")
    return forms[match[1]]


def context_type(uri: Uri) -> ContextType:
    """Return the type that follows from the path; messages of a session are memories."""
    if "memories" in uri.parts or is_message(uri):
        return ContextType.MEMORY
    return ContextType.SKILL if "skills" in uri.parts else ContextType.RESOURCE


def document_at(uri: Uri) -> Uri | None:
    """Return where an imported document is here if OpenViking keeps it in a directory of its own: ``docs/deploy.md``
    for ``docs/deploy/deploy.md`` and for ``docs/deploy``. None for addresses that no document can have there."""
    p = uri.parts
    if len(p) < 2 or not (p[0] == "resources" or (p[0] == "user" and len(p) > 3 and p[2] == "resources")):
        return None
    if not uri.name.endswith(_DOCUMENT):
        return uri.parent / f"{uri.name}{_DOCUMENT}"
    if len(p) < 3 or uri.parent.name != uri.name.removesuffix(_DOCUMENT):
        return None
    found = uri.parent.parent / uri.name
    return found if found.parts[0] == "resources" or len(found.parts) > 3 else None


def session_of(uri: Uri) -> str:
    """Return the id of the session that contains an address; "" outside sessions."""
    p = uri.parts
    return p[3] if len(p) > 3 and p[0] == "user" and p[2] == "sessions" else ""


def is_message(uri: Uri) -> bool:
    """True for ``viking://user/{uid}/sessions/{sid}/messages/{id}.md``."""
    return len(uri.parts) == 6 and bool(session_of(uri)) and uri.parts[4] == "messages"


def check_new_folder(uri: Uri) -> None:
    """Check that callers may create a directory here. Raises ``Denied``."""
    p = uri.parts
    if not p or p in {("user",), ("agent",)} or (p[0] == "agent" and p[1] not in AGENT_AREAS) or session_of(uri):
        raise Denied(f"{uri} is not writable", remedy="write below viking://resources or viking://~")


def check_write(uri: Uri) -> None:
    """Check that the API allows a file here. Raises ``Denied`` and ``Invalid``."""
    p = uri.parts
    if len(p) < 2 or p[0] not in SCOPES:
        raise Denied(f"{uri} is not writable", remedy="write below viking://resources or viking://~")
    if uri.name == ".relations.json" or uri.name.startswith(".watch_tasks"):
        raise Invalid(f"{uri.name} is a reserved name", remedy="choose another file name", details={"uri": str(uri)})
    if p[0] == "agent" and (len(p) < 3 or p[1] not in AGENT_AREAS):
        raise Denied(f"{uri} is not writable", remedy=f"write below viking://agent/{{{','.join(sorted(AGENT_AREAS))}}}")
    if p[0] == "user" and not _user_file(p):
        raise Invalid(
            f"{uri} cannot be written as content",
            remedy="under a user write to memories/<type>/..., resources/... or a plain file at the user's root",
            details={"uri": str(uri)},
        )


def _user_file(p: tuple[str, ...]) -> bool:
    if len(p) == 3:
        return p[2] not in USER_AREAS
    if len(p) < 4:
        return False
    if p[2] == "peers":
        return len(p) > 5 and p[4] == "memories"
    return p[2] in {"memories", "resources"}


def check_remove(uri: Uri) -> None:
    """Check that the address is not a namespace root. Raises ``Denied``."""
    p = uri.parts
    if not p or p in {("user",), ("agent",), ("resources",)} or (p[0] == "user" and len(p) == 2):
        raise Denied(f"{uri} cannot be deleted", remedy="delete what lies below it", details={"uri": str(uri)})
    if p[0] == "user" and len(p) == 3 and p[2] in USER_AREAS:
        raise Denied(f"{uri} cannot be deleted", remedy="delete what lies below it", details={"uri": str(uri)})


def check_move(source: Uri, to: Uri) -> None:
    """Check a move. Messages and session files cannot be moved, roots neither. Raises ``Denied`` and ``Invalid``."""
    check_remove(source)
    if session_of(source) or session_of(to):
        raise Denied(
            "what belongs to a session cannot be moved or overwritten", remedy="copy its text into a file of its own"
        )
    if to.under(source):
        raise Invalid(f"{to} lies inside {source}", remedy="choose a target outside it")
    p = to.parts
    if len(p) < 2 or (p[0] == "user" and len(p) < 3) or (p[0] == "agent" and p[1] not in AGENT_AREAS):
        raise Denied(f"{to} is not writable", remedy="move below viking://resources or viking://~")


def import_root(text: str, caller: Caller, now: float, field: str) -> Uri:
    """Resolve ``to`` or ``parent`` of an import: the resources of the account or of a user. Raises ``Invalid``
    (``INVALID_URI``)."""
    uri = resolve(text, caller, now)
    p = uri.parts
    if p[:1] == ("resources",) or (p[:1] == ("user",) and "resources" in p[2:]):
        return uri
    raise bad_uri(text, f"{field} must lie in {SCHEME}resources or in a user's resources")
