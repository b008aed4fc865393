"""The wire's fields of a context block in the engine's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CATEGORIES = ("events", "entities", "preferences", "experiences", "resources", "skills", "memories")
_NARROW = ("context_type", "level", "tags", "since", "until", "time_field", "filter")
# Understood and accepted, but without effect on a block; the answer's stats list those that were sent.
_IGNORED = frozenset({"include_provenance"})
_REWRITE = {False: "off", True: "on", "auto": "auto"}


def block_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``Workspace.assemble``. ``given``: the fields a client sent, by wire name, null ones left out."""
    names = ("session_id", "max_tokens", "quotas", "purpose", "dedup_turns", "rewrite_max_bullets")
    options: dict[str, Any] = {name: given[name] for name in names if name in given}
    limit = given.get("node_limit", given.get("limit"))
    if limit is not None:
        options["limit"] = limit
    if "score_threshold" in given:
        options["score_min"] = given["score_threshold"]
    if "query_expansion" in given:
        options["query_expansion"] = given["query_expansion"] == "auto"
    if "peer_scope" in given:
        options["all_peers"] = given["peer_scope"] == "all"
    if "other_peer_penalty" in given:
        options["penalties"] = _by_category(given["other_peer_penalty"])
    if given.get("detail", "auto") != "auto":
        options["detail"] = {c: d for c, d in _by_category(given["detail"]).items() if d != "auto"}
    if given.get("exclude_uris"):
        options["exclude"] = tuple(given["exclude_uris"])
    if "rewrite" in given:
        options["rewrite"] = _REWRITE[given["rewrite"]]
    narrow = {name: given[name] for name in _NARROW if given.get(name)}
    return options | ({"narrow": narrow} if narrow else {}) | _without_effect(given)


def _by_category(value: Any) -> dict[str, Any]:
    """One value stands for every category."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(_CATEGORIES, value)


def _without_effect(given: Mapping[str, Any]) -> dict[str, Any]:
    """Sent, asking for something, and not heard."""
    ignored = tuple(sorted(name for name in given if name in _IGNORED and given[name]))
    return {"ignored": ignored} if ignored else {}
