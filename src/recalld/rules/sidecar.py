"""The text form of a directory's tiers: ``.abstract.md`` and ``.overview.md``."""

from __future__ import annotations

import re

from recalld.domain.document import Tiers
from recalld.domain.errors import Invalid
from recalld.domain.uri import Uri

_FRONT = re.compile(r"\A---\n(.*?)\n---\n+", re.S)


def render(uri: Uri, level: int, tiers: Tiers, entries_total: int, pending: bool) -> str:
    """Front matter, blank line, body, newline; ``uri`` is the directory."""
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


def body_of(text: str, uri: str) -> str:
    """The body of a sidecar a caller writes. Its metadata, if sent along, must name the same directory."""
    front = _FRONT.match(text.replace("\r\n", "\n"))
    if front is None:
        return text.strip()
    named = re.search(r"^directory: *(\S+?)/?$", front[1], re.M)
    if named and named[1] != uri.rsplit("/", 1)[0]:
        raise Invalid(f"the metadata of {uri} was changed", remedy="send the body alone", details={"uri": uri})
    return text.replace("\r\n", "\n")[front.end() :].strip()


def not_ready(uri: Uri, level: int) -> str:
    """What stands for a tier that is not made yet."""
    return (
        f"# {uri} [Directory abstract is not ready]" if level == 0 else f"# {uri}\n\n[Directory overview is not ready]"
    )
