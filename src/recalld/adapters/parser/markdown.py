"""Markdown with front matter."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.document import Document
from recalld.ports.plugin import Plugin
from recalld.rules import markdown as scan
from recalld.rules.encoding import decode

from .yaml_scan import Unreadable, scalars


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
        """Return as title the front matter ``title`` or ``name``, else the first heading of the highest rank; as
        summary the front matter ``description``, ``summary``, ``abstract`` or ``excerpt``."""
        decoded = decode(data)
        warnings = [decoded.warning] if decoded.warning else []
        facts = self._facts(decoded.text, warnings)
        sections = scan.sections(decoded.text)
        top = min((section.depth for section in sections if section.depth and section.heading), default=0)
        first = next((section.heading for section in sections if section.depth == top and section.heading), "")
        return Document(
            media="text/markdown",
            text=decoded.text,
            title=facts.get("title") or facts.get("name") or first,
            summary=next(
                (facts[key] for key in ("description", "summary", "abstract", "excerpt") if facts.get(key)), ""
            ),
            sections=sections,
            facts=facts,
            warnings=tuple(warnings),
        )

    def _facts(self, text: str, warnings: list[str]) -> dict[str, str]:
        end = scan.front_matter_end(text)
        if not end:
            return {}
        facts: dict[str, str] = {}
        source = text[4:end].rstrip().removesuffix("---").removesuffix("...")
        try:
            for path, value in scalars(source, self._settings.depth_max):
                key = ".".join(path)
                if key and value and (key in facts or len(facts) < self._settings.facts_max):
                    facts[key] = f"{facts[key]}, {value}" if key in facts else value
        except Unreadable as bad:
            warnings.append(f"front matter ignored: {bad}")
            return {}
        return facts


plugin = Plugin(kind="parser", name="markdown", settings=MarkdownSettings, make=MarkdownParser)
