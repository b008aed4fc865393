"""JSON, JSON lines, YAML and TOML: stored unchanged, their keys are symbols."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from recalld.domain.document import Document
from recalld.domain.policy import JSON_DEPTH_MAX
from recalld.ports.plugin import Plugin
from recalld.rules.encoding import decode
from recalld.rules.escapes import json_unescaped, unicode_unescaped
from recalld.rules.lines import split_lines
from recalld.rules.media import media_type

from .notebook import Notebook, read_notebook
from .yaml_scan import Unreadable, scalars

_WORDS = {
    "application/json": "JSON",
    "application/jsonl": "JSON lines",
    "application/yaml": "YAML",
    "application/toml": "TOML",
}
_JSON = frozenset({"application/json", "application/jsonl"})
_TITLES = frozenset({"title", "name"})
_SUMMARIES = frozenset({"description", "summary"})


@dataclass(frozen=True, slots=True)
class DataSettings:
    """``chars_max``: larger files are stored without keys; ``keys_max``: number of listed key paths."""

    chars_max: int = 2_000_000
    keys_max: int = 200
    depth_max: int = JSON_DEPTH_MAX


class DataParser:
    """Parses structure within limits of size, depth and count; anything unparsable is text with a warning."""

    suffixes: tuple[str, ...] = (".json", ".jsonc", ".geojson", ".ipynb", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml")
    names: tuple[str, ...] = ()

    def __init__(self, settings: DataSettings | None = None) -> None:
        self._settings = settings or DataSettings()

    def parse(self, name: str, data: bytes) -> Document:
        """Return key paths as symbols (``server.port``); title and summary are ``name`` and ``description`` of the top
        level."""
        decoded = decode(data)
        media = media_type(name)
        if name.lower().endswith(".ipynb") and (notebook := _notebook(decoded.text)) is not None:
            return Document(
                media=media,
                text=decoded.text,
                title=notebook.title,
                summary=notebook.summary,
                indexable=notebook.text,
                facts={"shape": f"notebook of {notebook.cells} cells"},
                warnings=(decoded.warning,) if decoded.warning else (),
            )
        warnings = [decoded.warning] if decoded.warning else []
        keys: dict[str, None] = {}
        top: dict[str, str] = {}
        if len(decoded.text) > self._settings.chars_max:
            warnings.append("too large to read its structure: kept as text")
        else:
            try:
                for path, value in self._pairs(media, decoded.text):
                    if len(path) == 1 and isinstance(value, str):
                        top.setdefault(path[0].lower(), value)
                    for depth in range(1, len(path) + 1):
                        keys.setdefault(".".join(path[:depth]))
                    if len(keys) >= self._settings.keys_max:
                        break
            except (Unreadable, ValueError, RecursionError) as bad:
                warnings.append(f"kept as text: {_reason(bad, media)}")
        words = _WORDS.get(media, "data")
        return Document(
            media=media,
            text=decoded.text,
            title=next((top[key] for key in top if key in _TITLES), "")[:120],
            summary=next((top[key] for key in top if key in _SUMMARIES), "")[:600],
            symbols=tuple(keys)[: self._settings.keys_max],
            indexable=_indexable_text(media, decoded.text),
            facts={"shape": words},
            warnings=tuple(warnings),
        )

    def _pairs(self, media: str, text: str) -> Iterator[tuple[tuple[str, ...], object]]:
        if media == "application/yaml":
            return iter(scalars(text, self._settings.depth_max))
        if media == "application/toml":
            return self._walk(tomllib.loads(text))
        if media == "application/jsonl":
            first = next((line for line in split_lines(text) if line.strip()), "null")
            return self._walk(orjson.loads(first))
        return self._walk(orjson.loads(text)) if text.strip() else iter(())

    def _walk(self, root: Any) -> Iterator[tuple[tuple[str, ...], object]]:
        """Yield leaves with their key paths in order, without recursion; a list is represented by its first items."""
        stack: list[tuple[tuple[str, ...], int, Any]] = [((), 0, root)]
        steps = 0
        while stack and steps < self._settings.keys_max * 50:
            path, depth, value = stack.pop()
            steps += 1
            if depth > self._settings.depth_max:
                raise Unreadable(f"nested deeper than {self._settings.depth_max} levels")
            if isinstance(value, dict):
                keys = reversed(list(value)[: self._settings.keys_max])
                stack.extend(((*path, str(key)), depth + 1, value[key]) for key in keys)
            elif isinstance(value, list):
                stack.extend((path, depth + 1, item) for item in reversed(value[:3]))
            elif path:
                yield path, value


def _notebook(text: str) -> Notebook | None:
    try:
        return read_notebook(orjson.loads(text))
    except (ValueError, RecursionError):
        return None  # the structure parser reports the error


def _indexable_text(media: str, text: str) -> str:
    """Return the source with escapes resolved; "" without escapes."""
    shown = json_unescaped(text) if media in _JSON else unicode_unescaped(text)
    return "" if shown == text else shown


def _reason(bad: Exception, media: str) -> str:
    if isinstance(bad, Unreadable):
        return str(bad)
    if isinstance(bad, RecursionError) or "recursion" in str(bad).lower():
        return "nested too deeply"
    line = getattr(bad, "lineno", 0)
    return f"not valid {_WORDS.get(media, 'data')}" + (f" at line {line}" if line else "")


plugin = Plugin(kind="parser", name="data", settings=DataSettings, make=DataParser)
