"""What a parser makes of bytes, and the chunks the index is built from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Section:
    """One stretch of a document under one heading.

    ``depth`` 1 is a top heading, 0 the text before any. ``text`` is the raw source including the heading line, so that
    the sections' texts joined give back the document.
    """

    heading: str
    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """Parsed bytes: ``text`` is L2 as readers see it (the source for text formats).

    ``title`` best name found inside; ``summary`` the author's own words for it (front matter description, docstring,
    meta description; "" if none); ``symbols`` names defined in code, in order; ``sections`` in order ((,) = one piece);
    ``indexable`` what search sees when it is not ``text`` (HTML without tags; "" = ``text``); ``facts`` front matter
    and metadata; ``warnings`` what a user should know (encoding guessed, format kept unparsed).
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
    """The unit of retrieval: a stretch of one node's text with its terms.

    ``start``/``end`` are character offsets into the node's text; ``terms`` are index terms in reading order, prefixes
    (speaker, date, title) included; ``level`` is the tier it stands for; ``asks``: it ends with a question; ``text``: its
    words where the offsets do not give them ("" = they do). Chunks of a
    node are in reading order.
    """

    start: int
    end: int
    terms: tuple[str, ...]
    level: int = 2
    asks: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Tiers:
    """L0 and L1 of a node and what wrote them (``made_by``: plugin name and version)."""

    abstract: str
    overview: str = ""
    made_by: str = "extractive"
