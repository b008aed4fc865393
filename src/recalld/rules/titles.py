"""Titles: a document's own name for itself, else its file name in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from recalld.domain.document import Document, Section
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.domain.uri import Uri

from . import media, names
from .inline_markup import plain_markdown
from .markdown import front_matter_end
from .salience import terms
from .sentences import fit, is_wide, split

TITLE_CHARS_MAX: Final = 100
_GENERIC: Final = frozenset({"readme", "index", "_index", "home", "skill", "docs", "doc", "documentation"})
_NUMBER = re.compile(r"\d[\w.]*\w|\d")
_NUMBERED = re.compile(r"^\d{1,4}[-_. ]+(?=[^\W\d])")


def heading_of(sections: Sequence[Section]) -> str:
    """Return the heading that is the title of a text: the first of depth 1, else one that stands at its beginning above
    all others; "" if there is neither."""
    first = next((s for s in sections if s.depth == 1 and s.heading), None)
    if first is not None:
        return first.heading
    headed = [s for s in sections if s.depth]
    if not headed or not headed[0].heading or _has_text_before(sections):
        return ""
    alone = all(s.depth > headed[0].depth for s in headed[1:])
    return headed[0].heading if alone else ""


def lone_heading_of(sections: Sequence[Section]) -> str:
    """Return the title where every rank of heading may be used for it: the only one of the highest rank, with nothing
    before it; "" if there is none."""
    headed = [s for s in sections if s.depth]
    alone = bool(headed) and all(s.depth > headed[0].depth for s in headed[1:])
    return headed[0].heading if alone else ""


def _has_text_before(sections: Sequence[Section]) -> bool:
    text = sections[0].text if not sections[0].depth else ""
    return bool(text[front_matter_end(text) :].strip())


def title_of(name: str, document: Document) -> str:
    """Return the document's title, or its file name in words; for ``folder/README.md`` that of its folder."""
    own = document.title
    # A heading is plain already: once more, ``{% block %}`` would be lost.
    title = own if " › " in own or any(own == s.heading for s in document.sections) else plain_markdown(own)
    return _shortened(title) or _words_in_folder(name)


def _words_in_folder(name: str) -> str:
    folder, _, base = name.rpartition("/")
    if folder and words_of(base).lower() in _GENERIC:
        return words_of(folder.rpartition("/")[2])
    return words_of(base) or base


def _shortened(title: str) -> str:
    """Return a path of headings without those in its middle if it is long, cut at a word."""
    segments = title.split(" › ")
    while len(" › ".join(segments)) > TITLE_CHARS_MAX and len(segments) > 2:
        del segments[1]
    last = (
        segments[-1] if len(" › ".join(segments)) > TITLE_CHARS_MAX and len(segments[-1]) > TITLE_CHARS_MAX // 2 else ""
    )
    return fit(last or " › ".join(segments), TITLE_CHARS_MAX)


def name_in_folder(uri: Uri) -> str:
    """Return ``folder/name`` of an entry, or its name alone right below a root: what its title may be taken from."""
    return "/".join(uri.parts[-2:]) if len(uri.parts) > 2 else uri.name


def title_of_part(name: str, document: Document, heading_path: Sequence[str]) -> str:
    """Return ``Document › Part › Section``: the title of a part of the document in the file ``name``. A heading of the
    title's own rank is its sibling, so the file name stands above both."""
    title = document.title or _words_in_folder(name)
    if not heading_path or title in heading_path:
        return " › ".join(heading_path or (title,))
    ranks = {section.heading: section.depth for section in reversed(document.sections)}
    siblings = title in ranks and ranks.get(heading_path[0], 99) <= ranks[title]
    return " › ".join((_words_in_folder(name) if siblings else title, *heading_path))


def words_of(name: str) -> str:
    """Return a file's or directory's name as words, without its suffix and number: ``02_set-up.md`` is "set up". Names of
    one word stay as they are."""
    stem = names.stem(name) if media.suffix_of(name) else name
    bare = _NUMBERED.sub("", stem) or stem
    return " ".join(re.split(r"[-_\s]+", bare)).strip() if not bare.startswith("__") else bare


def titled(title: str, words: str, chars_max: int = ABSTRACT_CHARS_MAX) -> str:
    """Return ``Title: words``, or the words alone if they begin with the title or contain it."""
    head = (split(words[:chars_max]) or [""])[0]
    named = set(terms(title))
    missing = named and {*named, *_NUMBER.findall(title)} - {*terms(head), *_NUMBER.findall(head)}
    if (
        not title
        or (not missing and " › " not in title)
        or (words and title.lower() in _GENERIC)
        or words.lower().startswith(title.lower())
    ):
        return fit(words or title, chars_max)
    colon = "：" if is_wide(words) and is_wide(title) else ": "
    return fit(f"{title.rstrip('.:：。 ')}{colon}{words}", chars_max)
