"""Markdown with front matter."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from recalld.domain.document import Document
from recalld.ports.plugin import Plugin
from recalld.rules import markdown as scan
from recalld.rules.encoding import decode
from recalld.rules.titles import heading_of

from .yaml_scan import Unreadable, scalars

SUBTITLE_CHARS_MAX = 30
"""A short subtitle is a part of the name ("Button 按钮"), a long one is a sentence."""


@dataclass(frozen=True, slots=True)
class MarkdownSettings:
    """``facts_max``: number of stored front matter values; ``depth_max``: nesting limit of front matter."""

    facts_max: int = 40
    depth_max: int = 10


class MarkdownParser:
    """The source stays unchanged; headings are sections, front matter is facts."""

    suffixes: tuple[str, ...] = (".md", ".markdown", ".mdx", ".mkd")
    names: tuple[str, ...] = ()

    def __init__(self, settings: MarkdownSettings | None = None) -> None:
        self._settings = settings or MarkdownSettings()

    def parse(self, name: str, data: bytes) -> Document:
        """Return as title the front matter ``title`` or ``name``, else the title heading (see ``titles.heading_of``); as
        summary the front matter ``description``, ``summary``, ``abstract`` or ``excerpt``."""
        decoded = decode(data)
        warnings = [decoded.warning] if decoded.warning else []
        facts = self._facts(decoded.text, warnings)
        sections = scan.sections(decoded.text)
        title = facts.get("title") or facts.get("name") or heading_of(sections)
        subtitle = facts.get("subtitle", "")
        return Document(
            media="text/markdown",
            text=decoded.text,
            title=f"{title} {subtitle}" if 0 < len(subtitle) <= SUBTITLE_CHARS_MAX else title,
            summary=next(
                (facts[key] for key in ("description", "summary", "abstract", "excerpt") if facts.get(key)), ""
            ),
            sections=sections,
            facts=facts,
            warnings=tuple(warnings),
        )

    def _facts(self, text: str, warnings: list[str]) -> dict[str, str]:
        facts: dict[str, str] = {}
        try:
            for path, value in self._pairs(text):
                key = ".".join(path)
                if key and value and (key in facts or len(facts) < self._settings.facts_max):
                    facts[key] = f"{facts[key]}, {value}" if key in facts else value
        except Unreadable as bad:
            warnings.append(f"front matter ignored: {bad}")
            return {}
        return facts

    def _pairs(self, text: str) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the values of YAML or TOML front matter with their keys. Raises ``Unreadable``."""
        if end := scan.front_matter_end(text):
            return scalars(text[4:end].rstrip().removesuffix("---").removesuffix("..."), self._settings.depth_max)
        end = scan.toml_front_matter_end(text)
        try:
            front = tomllib.loads(text[4:end].rstrip().removesuffix("+++")) if end else {}
        except (ValueError, RecursionError) as bad:
            raise Unreadable("not valid TOML") from bad
        return iter([((key,), value) for key, value in front.items() if isinstance(value, str)])


plugin = Plugin(kind="parser", name="markdown", settings=MarkdownSettings, make=MarkdownParser)
