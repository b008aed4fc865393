"""The text form of a directory's tiers: ``.abstract.md`` and ``.overview.md``."""

from __future__ import annotations

import re

from recalld.domain.document import Tiers
from recalld.domain.errors import Invalid
from recalld.domain.uri import Uri

_PINNED = ("caller:abstract", "caller:overview")
_FRONT = re.compile(r"\A---\n(.*?)\n---\n+", re.S)


def render(uri: Uri, level: int, tiers: Tiers, entries_total: int, pending: bool) -> str:
    """Return front matter, blank line, body, newline; ``uri`` is the directory."""
    body = tiers.abstract if level == 0 else tiers.overview
    return (
        "---\n"
        f"directory: {uri}/\n"
        f"source:\n  kind: directory\n  uri: {uri}\n"
        f"generated_by:\n  component: {tiers.made_by}\n  trigger: refresh\n"
        f"freshness:\n  total_entries: {entries_total}\n  sampled_entries: {entries_total}\n"
        f"  unsampled_entries: 0\n  pending_child_changes: {int(pending)}\n"
        f"---\n\n{body}\n"
    )


def pin(level: int, body: str, old: Tiers | None) -> Tiers:
    """Return tiers with a caller's own abstract (0) or overview (1); the other stays unchanged."""
    held = {level, *pinned(old)}
    by = "caller" if len(held) == 2 else _PINNED[level]
    texts = [old.abstract, old.overview] if old is not None else ["", ""]
    texts[level] = body
    return Tiers(texts[0], texts[1], by)


def pinned(tiers: Tiers | None) -> frozenset[int]:
    """Return the levels that a caller wrote; a refresh keeps those."""
    if tiers is None:
        return frozenset()
    return (
        frozenset({0, 1}) if tiers.made_by == "caller" else frozenset(i for i in (0, 1) if tiers.made_by == _PINNED[i])
    )


def refreshed(own: Tiers | None, generated: Tiers) -> Tiers:
    """Return generated tiers, except for the levels a caller wrote."""
    held = pinned(own)
    if own is None or not held:
        return generated
    return Tiers(
        own.abstract if 0 in held else generated.abstract,
        own.overview if 1 in held else generated.overview,
        own.made_by,
    )


def body_of(text: str, uri: str) -> str:
    """Return the body of a sidecar that a caller writes. Its metadata, if sent, must name the same directory."""
    front = _FRONT.match(text.replace("\r\n", "\n"))
    if front is None:
        return text.strip()
    named = re.search(r"^directory: *(\S+?)/?$", front[1], re.M)
    if named and named[1] != uri.rsplit("/", 1)[0]:
        raise Invalid(f"the metadata of {uri} was changed", remedy="send the body alone", details={"uri": uri})
    return text.replace("\r\n", "\n")[front.end() :].strip()


def not_ready(uri: Uri, level: int) -> str:
    """Return the placeholder of a tier that does not exist yet."""
    return (
        f"# {uri} [Directory abstract is not ready]" if level == 0 else f"# {uri}\n\n[Directory overview is not ready]"
    )
