"""L1 of files and directories, and L0 of directories: the contents by name, so that a reader can navigate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from recalld.domain.document import Document, Section
from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX

from . import media
from .abstracts import titled
from .lines import split_lines
from .sentences import first_sentence, fit, plain, sentences

_TAIL_CHARS: Final = 60
_LINE_CHARS: Final = 200
_LINE_CHARS_MIN: Final = 40
_SYMBOLS_MAX: Final = 120
_HEADINGS_READ_MAX: Final = 60
"""Headings shown with a sentence; further ones are listed by name."""
_ENTRY_NAMES = ("skill", "readme", "index", "__init__", "overview", "introduction")
_DOCSTRING = re.compile(r'"""(.{1,400}?)(?:"""|\n\s*\n)|\'\'\'(.{1,400}?)(?:\'\'\'|\n\s*\n)', re.DOTALL)
_COMMENT = re.compile(r"\s*(?://+!?|#+|/\*\*?|\*)\s?(.*)")


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of a directory: its name, whether it is a directory, its L0 ("" if not generated yet)."""

    name: str
    is_dir: bool
    abstract: str


def of_directory(title: str, entries: Sequence[Listed], total: int) -> str:
    """Return L1 of a directory, at most 4,000 characters: the number of entries, then as many as fit with their first
    sentence, directories first, then how many of ``total`` are not shown."""
    folders = [e for e in entries if e.is_dir]
    files = [e for e in entries if not e.is_dir]
    lead = _lead(entries)
    head = [f"# {title or 'viking://'}", ""]
    if lead:
        head += [fit(lead, 400), ""]
    head.append(_counted(folders, files, total))
    chars_left = OVERVIEW_CHARS_MAX - sum(len(line) + 1 for line in head) - _TAIL_CHARS
    each = max(_LINE_CHARS_MIN, min(_LINE_CHARS, chars_left // max(1, len(entries)) - 12))
    lines, shown = _fitting(_listing(folders, files, each), chars_left)
    hidden = max(total, len(entries)) - shown
    footer = ["", f"{hidden} more not shown."] if hidden else []
    return "\n".join(head + lines + footer)


def abstract_of_directory(title: str, entries: Sequence[Listed], total: int) -> str:
    """Return L0 of a directory, at most 256 characters: the abstract of its entry page, then its contents."""
    if not entries:
        return fit(f"{title}: empty", ABSTRACT_CHARS_MAX)
    lead = first_sentence(_lead(entries) or _only(entries), 150)
    names = [f"{e.name}/" if e.is_dir else e.name for e in entries]
    start = titled(title, lead, 170) if lead else title
    summary = f"{start} Holds " if lead else f"{start}: "
    chars_left = ABSTRACT_CHARS_MAX - len(summary) - len(" and 00000 more.")
    shown: list[str] = []
    for name in names:
        if len(", ".join([*shown, name])) > chars_left:
            break
        shown.append(name)
    hidden = max(total, len(names)) - len(shown)
    if not shown:
        return fit(f"{start} {hidden} entries" if lead else f"{start}: {hidden} entries", ABSTRACT_CHARS_MAX)
    more = f" and {hidden} more" if hidden else ""
    return fit(f"{summary}{', '.join(shown)}{more}.", ABSTRACT_CHARS_MAX)


def of_document(name: str, document: Document, abstract: str) -> str:
    """Return L1 of a file, at most 4,000 characters: title, abstract, then headings (or definitions) as a tree with the
    first sentence of each."""
    title = plain(document.title) or name
    head = [f"# {title}", "", abstract.removeprefix(f"{title}: ")]
    head += [f"- {key}: {fit(plain(value), 160)}" for key, value in list(document.facts.items())[:6] if value]
    head += [f"- note: {warning}" for warning in document.warnings[:3]]
    chars_left = OVERVIEW_CHARS_MAX - sum(len(line) + 1 for line in head) - _TAIL_CHARS
    body = _outline(document)
    if not body:
        body = _opening(document)
    lines, shown = _fitting(iter(body), chars_left - 1)
    hidden = len(body) - shown
    footer = [f"{hidden} more not shown."] if hidden else []
    return fit("\n".join([*head, *([""] if lines else []), *lines, *footer]), OVERVIEW_CHARS_MAX)


def _lead(entries: Sequence[Listed]) -> str:
    """Return the abstract of the entry page (README, index, …), if there is one."""
    by_stem = {entry.name.rsplit(".", 1)[0].lower(): entry.abstract for entry in entries if not entry.is_dir}
    return next((by_stem[stem] for stem in _ENTRY_NAMES if by_stem.get(stem)), "")


def _only(entries: Sequence[Listed]) -> str:
    """Return the abstract of a single entry, which also describes its directory: years, months and days nest."""
    return entries[0].abstract.removeprefix(f"{entries[0].name}: ") if len(entries) == 1 else ""


def _counted(folders: Sequence[Listed], files: Sequence[Listed], total: int) -> str:
    listed = len(folders) + len(files)
    summary = [
        f"{len(group)} {word if len(group) == 1 else words}"
        for group, word, words in ((folders, "directory", "directories"), (files, "file", "files"))
        if group
    ]
    if total > listed:
        return f"Holds {total} entries, among them {' and '.join(summary)}."
    return f"Holds {' and '.join(summary)}." if summary else "Empty."


def _listing(folders: Sequence[Listed], files: Sequence[Listed], each: int) -> Iterator[str]:
    for heading, group in (("## Directories", folders), ("## Files", files)):
        if group:
            yield f"\n{heading}"
        for entry in group:
            summary = first_sentence(entry.abstract, each)
            label = f"- `{entry.name}{'/' if entry.is_dir else ''}`"
            yield f"{label}: {summary}" if summary else label


def _fitting(lines: Iterator[str], chars_left: int) -> tuple[list[str], int]:
    """Return the lines that fit ``chars_left`` characters and how many of them are entries."""
    taken: list[str] = []
    entries = 0
    for line in lines:
        chars_left -= len(line) + 1
        if chars_left < 0:
            break
        taken.append(line)
        entries += not line.startswith("\n")
    if taken and taken[-1].startswith("\n"):
        taken.pop()
    return taken, entries


def _outline(document: Document) -> list[str]:
    if media.is_code(document.media):
        return _definitions(document)
    marked = [section for section in document.sections if section.depth and section.heading not in {"", document.title}]
    if marked:
        top = min(section.depth for section in marked)
        return [
            f"{'  ' * min(4, s.depth - top)}- {_headed(s) if i < _HEADINGS_READ_MAX else s.heading}"
            for i, s in enumerate(marked)
        ]
    return [f"- {symbol}" for symbol in document.symbols[:_SYMBOLS_MAX]]


def _headed(section: Section) -> str:
    summary = next(iter(sentences(section.text[:1_500], 1)), "")
    return f"{section.heading}: {fit(summary, 140)}" if summary else section.heading


def _definitions(document: Document) -> list[str]:
    outline: list[str] = []
    for section in document.sections:
        if section.depth:
            summary = _comment_of(section.text[:1_200])
            label = f"{'  ' * min(4, section.depth - 1)}- `{section.heading}`"
            outline.append(f"{label}: {fit(summary, 140)}" if summary else label)
    return outline or [f"- `{symbol}`" for symbol in document.symbols[:_SYMBOLS_MAX]]


def _comment_of(source: str) -> str:
    """Return the comment above a definition, else its docstring."""
    above: list[str] = []
    for line in split_lines(source)[:12]:
        mark = _COMMENT.match(line)
        if not mark:
            break
        above.append(mark[1].removesuffix("*/").strip())
    summary = plain(" ".join(above))
    if not summary and (doc := _DOCSTRING.search(source)):
        summary = plain(doc[1] or doc[2])
    return first_sentence(summary, 140)


def _opening(document: Document) -> list[str]:
    found = sentences(document.indexable or document.text, 12)
    return [f"- {sentence}" for sentence in found if len(sentence) > 1]
