"""The wire's fields of a context block in the engine's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CATEGORIES = ("events", "entities", "preferences", "experiences", "resources", "skills", "memories")
# Understood and accepted, but without effect yet; the answer's stats list those that were sent.
_IGNORED = frozenset(
    {
        "dedup_turns",
        "rewrite",
        "rewrite_max_bullets",
        "context_type",
        "level",
        "tags",
        "since",
        "until",
        "time_field",
        "filter",
    }
)


def block_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``Workspace.assemble``. ``given``: the fields a client sent, by wire name, null ones left out."""
    options: dict[str, Any] = {"ignored": tuple(sorted(_without_effect(given)))}
    for name in ("session_id", "max_tokens", "quotas", "purpose"):
        if name in given:
            options[name] = given[name]
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
    return options


def _by_category(value: Any) -> dict[str, Any]:
    """One value stands for every category."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(_CATEGORIES, value)


def _without_effect(given: Mapping[str, Any]) -> set[str]:
    """Sent, and asking for something: ``rewrite: false`` asks for nothing."""
    return {name for name in given if name in _IGNORED and given[name] not in (False, 0, "")}
