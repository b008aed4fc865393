"""Unparsed formats: PDF, Office, media, archives. Stored whole, found by name and metadata."""

from __future__ import annotations

from recalld.domain.document import Document
from recalld.ports.plugin import NoSettings, Plugin
from recalld.rules.media import HEAD_BYTES, OPAQUE_SUFFIXES, media_type, media_words, size_words
from recalld.rules.names import stem


class OpaqueParser:
    """Describes bytes without parsing them."""

    suffixes: tuple[str, ...] = OPAQUE_SUFFIXES
    names: tuple[str, ...] = ()

    def parse(self, name: str, data: bytes) -> Document:
        """Return an empty text, a summary of the file type, and the name as indexable text."""
        head = data[:HEAD_BYTES]
        media = media_type(name, head)
        if media.startswith("text/"):
            media = "application/octet-stream"
        words, size = media_words(name, head), size_words(len(data))
        base = name.rsplit("/", 1)[-1]
        return Document(
            media=media,
            text="",
            title=stem(base),
            summary=f"{words} {base}, {size}, not parsed yet: found by name only",
            indexable=f"{base}\n{words}\n{name}",
            facts={"format": words, "size": size},
            warnings=(f"{words} is not parsed yet: stored whole, found by name only",),
        )


plugin = Plugin(kind="parser", name="opaque", settings=NoSettings, make=lambda _: OpaqueParser())
