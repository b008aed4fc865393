"""Translate the request fields of a context block into arguments of ``Workspace.assemble``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recalld.rules.context import ALL_CATEGORIES

_NARROW = ("context_type", "level", "tags", "since", "until", "time_field", "filter")
IGNORED = frozenset({"include_provenance"})
"""Accepted without effect on a block; the stats of the response list those that were sent."""
_REWRITE = {False: "off", True: "on", "auto": "auto"}


def context_options(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments. ``fields``: the fields a client sent, by wire name, without null ones."""
    names = ("session_id", "max_tokens", "quotas", "purpose", "dedup_turns", "rewrite_max_bullets")
    options: dict[str, Any] = {name: fields[name] for name in names if name in fields}
    limit = fields.get("node_limit", fields.get("limit"))
    if limit is not None:
        options["limit"] = limit
    if "score_threshold" in fields:
        options["score_min"] = fields["score_threshold"]
    if "query_expansion" in fields:
        options["query_expansion"] = fields["query_expansion"] == "auto"
    if "peer_scope" in fields:
        options["all_peers"] = fields["peer_scope"] == "all"
    if "other_peer_penalty" in fields:
        options["penalties"] = _by_category(fields["other_peer_penalty"])
    if fields.get("detail", "auto") != "auto":
        options["detail"] = {c: d for c, d in _by_category(fields["detail"]).items() if d != "auto"}
    if fields.get("exclude_uris"):
        options["exclude"] = fields["exclude_uris"]
    if "rewrite" in fields:
        options["rewrite"] = _REWRITE[fields["rewrite"]]
    narrow = {name: fields[name] for name in _NARROW if fields.get(name)}
    return options | ({"narrow": narrow} if narrow else {})


def _by_category(value: Any) -> dict[str, Any]:
    """Return the value of each category; a single value applies to all of them."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(ALL_CATEGORIES, value)
