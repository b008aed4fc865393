"""Parsed documents, and the chunks of the index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DERIVATION: Final = 3
"""Version of the rules that derive titles, chunks, abstracts and overviews. A store's texts of an earlier one are derived again in
the background (``usecases/maintenance/rederive``)."""
EXTRACTIVE: Final = f"extractive@{DERIVATION}"
"""``Tiers.made_by`` of texts that these rules derived."""
EXTRACTIVE_EARLIER: Final = ("extractive", *(f"extractive@{n}" for n in range(2, DERIVATION)))


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a document under one heading.

    ``depth`` 1 is a top heading, 0 the text before any. ``text`` is the raw source including the heading line; the
    sections' texts joined are the document.
    """

    heading: str
    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """Parsed bytes. ``text``: L2 as shown to readers (the source for text formats).

    ``title``: best name found inside; ``summary``: the author's own description (front matter, docstring, meta
    description; "" if none); ``symbols``: names defined in code, in order; ``sections`` in order ((,) = one piece);
    ``indexable``: text for search if it differs from ``text`` (HTML without tags; "" = ``text``); ``facts``: front
    matter and metadata; ``warnings`` for users (guessed encoding, unparsed format).
    """

    media: str
    text: str
    title: str = ""
    summary: str = ""
    symbols: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    indexable: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The unit of retrieval: a passage of one node's text with its terms.

    ``start``/``end``: character offsets into the node's text; ``terms``: index terms in reading order, prefixes
    (speaker, date, title) included; ``level``: its tier; ``asks``: it ends with a question; ``text``: its words if the
    offsets do not refer to them ("" = they do); ``traits``: bits of ``rules/standing``. Chunks of a node are in reading
    order.
    """

    start: int
    end: int
    terms: tuple[str, ...]
    level: int = 2
    asks: bool = False
    text: str = ""
    traits: int = 0


@dataclass(frozen=True, slots=True)
class Tiers:
    """L0 and L1 of a node and their author (``made_by``: plugin name and version)."""

    abstract: str
    overview: str = ""
    made_by: str = EXTRACTIVE
