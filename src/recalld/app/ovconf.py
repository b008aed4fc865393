"""An OpenViking configuration (JSON) read as ours: what both know is taken over, what only it knows is named."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recalld.domain.errors import Invalid

from .plugins import names

_TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECTIONS: dict[str, frozenset[str]] = {
    "server": _words(
        """host port workers timeout_keep_alive auth_mode root_api_key profile_enabled cors_origins with_bot bot_api_url
        api_key_watch_enabled api_key_watch_interval_seconds public_base_url upload_signed_ttl_seconds temp_upload
        tool_output_externalization user_config_defaults agent_evolution observability usage_reporter oidc ldap"""
    ),
    "storage": _words("workspace skip_process_lock agfs vectordb transaction"),
    "embedding": _words(
        """dense sparse hybrid max_concurrent max_retries text_source max_input_tokens allow_metadata_override
        circuit_breaker"""
    ),
    "rerank": _words(
        "provider model model_name version api_key api_base ak sk host timeout threshold max_input_tokens"
    ),
}
"""Sections whose keys are known one by one: any other is refused."""
OPEN = _words("log vlm embedding.dense server.observability server.observability.metrics")
"""Sections in which we look for something and refuse nothing."""
WHOLE = _words(
    """query_planner retrieval grep semantic memory queue_workers reindex encryption git oauth telemetry prompts ingest
    connector parser_api parsers pdf code image audio video markdown excel html text directory feishu webfeed identity bot
    claude_code codex default_account default_user default_agent default_search_mode default_search_limit auto_generate_l0
    auto_generate_l1 output_language_override enable_watch_scheduler allow_private_networks"""
)
"""Sections, and keys of no section, of which we read nothing."""

_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}
_SERVER = ("host", "port", "auth_mode", "root_api_key")
_OLLAMA = "http://127.0.0.1:11434/v1"
_EMBEDDERS = {
    "openai": "openai",
    "ollama": "openai",
    "cohere": "cohere",
    "gemini": "gemini",
    "jina": "jina",
    "voyage": "voyage",
}
_RERANKERS = {"openai": "openai", "cohere": "cohere", "jina": "jina", "voyage": "voyage"}
_DENSE = {
    "model": "model",
    "api_key": "api_key",
    "api_base": "base_url",
    "dimension": "dimensions",
    "batch_size": "batch_texts_max",
}
_WRITERS = {"openai": "openai", "ollama": "openai", "anthropic": "anthropic"}
_VLM = {"model": "model", "api_key": "api_key", "api_base": "base_url", "temperature": "temperature"}
_RERANK = {"model": "model", "model_name": "model", "api_key": "api_key", "api_base": "base_url"}


def is_ovconf(text: str) -> bool:
    """JSON begins with a brace, which no TOML file does."""
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def settings_of(text: str, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Our settings, and one sentence for each of its keys that has no effect here.

    Trailing commas are allowed; ``${NAME}`` in a value that is taken over stands for an environment variable. Raises
    ``Invalid`` for what is no JSON object, for keys the original does not know either, and for variables that are not set.
    """
    document = _parsed(text, path)
    _check_keys(document, path)
    taken = _Taken(document)
    values = {
        "data": taken("storage.workspace"),
        "server": {
            **{key: taken(f"server.{key}") for key in _SERVER},
            "cors_origins": _origins(taken),
            "public_url": taken("server.public_base_url"),
            "metrics": taken("server.observability.metrics.enabled"),
        },
        "log": {"level": _level(taken)},
        "embedder": _model(taken, "embedding.dense", "embedder", _EMBEDDERS, _DENSE),
        "reranker": _model(taken, "rerank", "reranker", _RERANKERS, _RERANK),
        "model": _model(taken, "vlm", "model", _WRITERS, _VLM),
    }
    ignored = [f"{key} has no effect here" for key in _leaves(document) if key not in taken.keys]
    return _filled(values), [*taken.notes, *ignored]


class _Taken:
    """Takes values out by their dotted name, and remembers which and what there is to say about it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.keys: set[str] = set()
        self.notes: list[str] = []

    def __call__(self, key: str) -> Any:
        """The value with variables replaced, None if it is not there."""
        value: Any = self._document
        for step in key.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            self.keys.add(key)
        return _expanded(value, key)


def _model(
    taken: _Taken, section: str, part: str, kinds: Mapping[str, str], keys: Mapping[str, str]
) -> dict[str, Any] | None:
    """A provider of the original as one of our plugins; None, and said so, where no plugin can be it."""
    provider = taken(f"{section}.provider")
    if provider is None:
        return None
    kind = kinds.get(str(provider).lower(), "")
    if kind not in names(part):
        taken.notes.append(
            f"{section}.provider {provider} is not known here, so {section} has no effect: see the {part} in recalld.toml"
        )
        return None
    found = [(ours, taken(f"{section}.{theirs}")) for theirs, ours in keys.items()]
    settings = {ours: value for ours, value in found if value is not None}
    if str(provider).lower() == "ollama":
        settings.setdefault("base_url", _OLLAMA)
    return {"provider": kind, **settings}


def _origins(taken: _Taken) -> Any:
    """There everybody is let in unless origins are named. Here nobody is: who wants that says so in a file of ours."""
    document = taken("server.cors_origins")
    if not isinstance(document, list) or "*" not in document:
        return document
    taken.notes.append("server.cors_origins * is left out: name the origins whose pages may read this store")
    return [one for one in document if one != "*"]


def _level(taken: _Taken) -> Any:
    level = taken("log.level")
    return _LEVELS.get(str(level).upper(), level) if level is not None else None


def _parsed(text: str, path: Path) -> dict[str, Any]:
    cleaned = _TRAILING_COMMA.sub(lambda m: m[0] if m[0].startswith('"') else "", text.lstrip("\ufeff"))
    try:
        document = json.loads(cleaned)
    except (json.JSONDecodeError, RecursionError) as bad:
        raise Invalid(f"configuration {path} is not JSON: {bad}", remedy="fix that line") from bad
    if not isinstance(document, dict):
        raise Invalid(f"configuration {path} is no JSON object", remedy="begin it with { and end it with }")
    return document


def _check_keys(document: Mapping[str, Any], path: Path) -> None:
    """Refuse what even the original does not know: a misspelt key would silently have no effect."""
    unknown = [key for key in document if key not in SECTIONS and key not in OPEN and key not in WHOLE]
    for section, known in SECTIONS.items():
        found = document.get(section)
        if found is not None and not isinstance(found, Mapping):
            raise Invalid(f"configuration {path}: {section} is no object", remedy=f"write {section} as {{...}}")
        unknown += [f"{section}.{key}" for key in found or {} if key not in known]
    if unknown:
        raise Invalid(
            f"configuration {path} is not valid: {'; '.join(f'{key}: unknown key' for key in unknown)}",
            remedy="correct or remove them",
            details={"keys": unknown},
        )


def _expanded(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return [_expanded(one, key) for one in value]
    if not isinstance(value, str):
        return value

    def variable(found: re.Match[str]) -> str:
        known = os.environ.get(found[1])
        if known is None:
            raise Invalid(
                f"{key} names the environment variable {found[1]}, which is not set",
                remedy=f"set {found[1]}, or write the value itself",
                details={"field": key},
            )
        return known

    return _VARIABLE.sub(variable, value)


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """What was set, at the depth at which we may take it over: ``server.port``, ``embedding.dense.model``, ``git``."""
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and (name in SECTIONS or name in OPEN):
            yield from _leaves(value, f"{name}.")
        elif value is not None:
            yield name


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not set, so that defaults and other sources stay in force."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        filled = _filled(value) if isinstance(value, Mapping) else value
        if filled not in (None, {}):
            found[key] = filled
    return found
