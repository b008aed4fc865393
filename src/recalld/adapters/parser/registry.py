"""All parsers as one: chooses by name, suffix or first bytes."""

from __future__ import annotations

from collections.abc import Iterable

from recalld.domain.document import Document
from recalld.ports.parser import Parser
from recalld.rules.media import HEAD_BYTES, OPAQUE_SUFFIXES, is_binary, suffix_of

from .opaque import OpaqueParser
from .text import TextParser

_HTML_STARTS = (b"<!doctype html", b"<html")


class ParserSet:
    """Chooses among parsers; later ones take precedence, so a plugin can replace a format. Thread-safe."""

    def __init__(self, parsers: Iterable[Parser], *, text: Parser | None = None, binary: Parser | None = None) -> None:
        """Use ``text`` and ``binary`` for files that no other parser claims (default: plain text and opaque)."""
        self._text: Parser = text or TextParser()
        self._binary: Parser = binary or OpaqueParser()
        self._by_suffix: dict[str, Parser] = {}
        self._by_name: dict[str, Parser] = {}
        for parser in parsers:
            self._by_suffix.update(dict.fromkeys(parser.suffixes, parser))
            self._by_name.update(dict.fromkeys(parser.names, parser))
        self.suffixes = tuple(self._by_suffix)
        self.names = tuple(self._by_name)

    def choose(self, name: str, head: bytes) -> Parser:
        """Return the parser for a file with this name and these first bytes."""
        base = name.rsplit("/", 1)[-1].lower()
        suffix = suffix_of(base)
        found = self._by_name.get(base) or self._by_suffix.get(suffix)
        if is_binary(head):
            # Binary bytes under a text suffix: only parsers of binary formats may take the file.
            return found if found is not None and suffix in OPAQUE_SUFFIXES else self._binary
        if found is not None:
            return found
        if head.lstrip()[:64].lower().startswith(_HTML_STARTS):
            return self._by_suffix.get(".html", self._text)
        return self._text

    def parse(self, name: str, data: bytes) -> Document:
        """Parse synchronously; total for any bytes."""
        return self.choose(name, data[:HEAD_BYTES]).parse(name, data)
