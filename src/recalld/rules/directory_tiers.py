"""L0 and L1 of directories: what their entry page says, else what their entries are about; never a mere list of names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX

from . import names
from .language import WORDS, counted, language_of
from .page import with_topics
from .prose import is_prose
from .salience import score
from .sentences import first_sentence, fit, is_wide, split
from .titles import titled, words_of

_STEP: Final = " › "
_FOOTER_CHARS: Final = 60
_LINE_CHARS: Final = 240
_LINE_CHARS_MIN: Final = 110
"""Less than this for each entry does not hold a sentence: entries are grouped."""
_THEME_CHARS: Final = 70
_TITLE_CHARS: Final = 80
_GROUP_MIN: Final = 4
_ENTRY_WORDS: Final = """
skill readme index _index __init__ mod lib overview introduction intro about home welcome getting-started
getting_started summary main
"""
_ENTRY_NAMES: Final = tuple(_ENTRY_WORDS.split())
_ENTRY_FOLDERS: Final = ("docs", "doc", "src", "content", "en", "english", "guide", "source", "package")
_SILENT_NAMES: Final = frozenset({"__init__.py", "conftest.py", "Makefile", "LICENSE", "py.typed"})
_PICTURE = re.compile(r".{3,40} \S+, [\d.]+ [kMG]?B, not parsed yet|\S+ \(SVG\)$")
_LEGAL = re.compile(r"(?:licen[cs]e|copying|notice|authors)\b", re.IGNORECASE)
_NAMES = re.compile(r"^\S+ \([\w+# ]+\): ")
_LOCALE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?$")
_TITLED = re.compile(r"((?:[\w-]*\d: )?(?:[^.!?。：]|\.(?=\w)){1,80}?)(?:: |：)(?=\S)")
_PATHED = re.compile(r"((?:[^›]{1,80} › ){1,6}[^›]{1,100}?)(?:: |：|\. (?=\S)|。(?=\S)|$)")
_NAME_HEAD = re.compile(r"[\W\d_]*[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of a directory: its name, whether it is a directory, its L0 ("" if not generated yet)."""

    name: str
    is_dir: bool
    abstract: str

    @property
    def label(self) -> str:
        return f"{self.name}/" if self.is_dir else self.name

    @property
    def parts(self) -> tuple[str, str]:
        """The title in the abstract (else the name in words), and the rest of the abstract."""
        words = words_of(self.name)
        text = re.sub(rf"^{re.escape(self.name)}(?: \([^()]{{1,40}}\))?(?:: |$)", "", self.abstract)
        mark = _PATHED.match(text) or _TITLED.match(text)
        return (mark[1], text[mark.end() :]) if mark and text == self.abstract else (words, text)


def overview_of_directory(title: str, entries: Sequence[Listed], total: int) -> str:
    """Return L1 of a directory, at most 4,000 characters: its L0, the number of entries, then each with its title and first
    sentence, directories first; grouped by the beginning of their names where they are many."""
    if not entries and not total:
        return f"# {title or 'viking://'}\n\n{WORDS['en'].empty}"
    words = WORDS[language_of(" ".join(entry.abstract for entry in entries))]
    summary = abstract_of_directory(title, entries, total)
    entries = _without_shared_headings(entries)
    folders = [entry for entry in entries if entry.is_dir]
    files = [entry for entry in entries if not entry.is_dir]
    head = [f"# {title or 'viking://'}", "", summary.removeprefix(f"{title}: ").removeprefix(f"{title}："), ""]
    counts = [
        counted(len(group), noun) for group, noun in ((folders, words.directories), (files, words.files)) if group
    ]
    head += [", ".join(counts) or words.empty, ""]
    chars_left = OVERVIEW_CHARS_MAX - sum(len(line) + 1 for line in head) - _FOOTER_CHARS
    each = min(_LINE_CHARS, chars_left // max(1, len(entries)))
    ordered = [*_entry_first(folders), *_entry_first(files)]
    lines, shown = (_each if each >= _LINE_CHARS_MIN else _grouped)(ordered, each, chars_left)
    hidden = max(total, len(entries)) - shown
    return "\n".join([*head, *lines, *(["", words.more.format(n=hidden)] if hidden else [])])


def abstract_of_directory(title: str, entries: Sequence[Listed], total: int) -> str:
    """Return L0 of a directory, at most 256 characters: the abstract of its entry page, else the themes of its entries."""
    if not entries:
        return fit(f"{title}: {WORDS['en'].empty}", ABSTRACT_CHARS_MAX)
    if _is_split(entries):
        return _of_parts(entries)
    if opening := _lead(title, entries):
        return titled(title, opening)
    page = _entry_page(entries)
    name = page.parts[0] if page is not None and page.parts[0].lower() != words_of(page.name).lower() else title
    rest = [entry for entry in entries if entry is not page] or list(entries)
    themes = _themes(rest, ABSTRACT_CHARS_MAX - len(name) - 2)
    colon = "：" if is_wide(themes) and is_wide(name) else ": "
    return fit(f"{name}{colon}{themes}" if name else themes, ABSTRACT_CHARS_MAX)


def _entry_page(entries: Sequence[Listed]) -> Listed | None:
    by_stem = {e.name.rsplit(".", 1)[0].lower(): e for e in entries if not e.is_dir and e.abstract}
    return next((by_stem[stem] for stem in _ENTRY_NAMES if stem in by_stem), None)


def _lead(title: str, entries: Sequence[Listed]) -> str:
    """Return what speaks for the whole directory: its entry page, its only entry, the directory that its
    name or custom makes the main one; "" if there is none."""
    page = _entry_page(entries)
    if page is not None and is_prose(first_sentence(page.parts[1], 400)) and not _NAMES.search(page.abstract[:120]):
        return _without_name(page)
    if len(entries) == 1 and not _LEGAL.match(entries[0].name):
        return _without_name(entries[0])
    folders = {e.name.lower(): e for e in entries if e.is_dir and e.abstract}
    if len(folders) > 4 and sum(bool(_LOCALE.match(name)) for name in folders) * 2 > len(folders):
        one = folders.get("en") or next(iter(folders.values()))
        return _without_name(one)
    main = folders.get(title.lower()) or (
        len(folders) < 4 and next((folders[n] for n in _ENTRY_FOLDERS if n in folders), None)
    )
    return _without_name(main) if main else ""


def _is_split(entries: Sequence[Listed]) -> bool:
    """True for the parts of one document: numbered, and titled "Document › Section"."""
    numbered = all(re.match(r"\d{2,4}_", e.name) for e in entries)
    return numbered and sum(" › " in e.abstract[:120] for e in entries) * 2 >= len(entries)


def _of_parts(entries: Sequence[Listed]) -> str:
    """Return the L0 of a split document: its title, the first sentence of its first part, and the sections of all parts."""
    first = entries[0]
    named = next((e.parts[0] for e in entries if " › " in e.parts[0]), first.parts[0]).split(" › ")[0]
    words = WORDS[language_of(" ".join(entry.abstract for entry in entries))]
    text = first.parts[1] if " › " in first.parts[0] else re.sub(rf"^{re.escape(named)}(?:: |：)", "", first.abstract)
    opening, _, topics = text.partition(words.topics)
    sections = [t for t in re.split("[;；] ?", topics.rstrip(".。 ")) if t not in {"", "…"}]
    sections += [entry.parts[0].split(" › ")[-1] for entry in entries[1:]]
    opening = titled(named, (split(opening) or [""])[0])
    return fit(with_topics(opening, list(dict.fromkeys(sections)), words.topics, 0), ABSTRACT_CHARS_MAX)


def _without_name(entry: Listed) -> str:
    return re.sub(rf"^{re.escape(entry.name)}(?: \([^()]{{1,40}}\))?: ", "", entry.abstract)


def _themes(entries: Sequence[Listed], chars_max: int) -> str:
    """Return the titles (or what stands for them) of the entries that say most of what all are about, in their order."""
    entries = [
        e
        for e in entries
        if e.name not in _SILENT_NAMES and not _LEGAL.match(e.name) and not _PICTURE.match(e.abstract)
    ] or list(entries)
    themes = [_theme(entry) for entry in entries]
    weights = score([entry.abstract for entry in entries])
    order = sorted(range(len(themes)), key=lambda i: (entries[i].is_dir is False, -weights[i], i))
    gap = "；" if is_wide(" ".join(themes)) else "; "
    picked: list[int] = []
    seen: set[str] = set()
    used = 2
    for i in order:
        low = themes[i].lower()
        if low and low not in seen and used + len(themes[i]) + len(gap) <= chars_max:
            picked.append(i)
            seen.add(low)
            used += len(themes[i]) + len(gap)
    shown = gap.join(themes[i] for i in sorted(picked))
    return f"{shown}{gap}…" if len(picked) < len({t.lower() for t in themes if t}) else shown


def _theme(entry: Listed) -> str:
    title, text = entry.parts
    own = title.lower() != words_of(entry.name).lower()
    if _PICTURE.match(entry.abstract):
        return words_of(entry.name)
    sentence = first_sentence(text, _THEME_CHARS).rstrip(".。…")
    if own or entry.is_dir or not sentence or len(title.split()) > 1 or is_wide(title):
        return fit(title, _THEME_CHARS)
    return sentence if is_prose(sentence) and "," not in sentence[:20] else title


def _entry_first(entries: Sequence[Listed]) -> list[Listed]:
    return sorted(entries, key=lambda e: e.name.rsplit(".", 1)[0].lower() not in _ENTRY_NAMES)


def _each(entries: Sequence[Listed], each: int, chars_left: int) -> tuple[list[str], int]:
    """Return one line for each entry: ``- `name`: Title: first sentence``."""
    lines: list[str] = []
    for entry in entries:
        line = f"- `{entry.label}`"
        if words := _entry_words(entry, max(40, each - len(line) - 4)):
            line += f": {words}"
        chars_left -= len(line) + 1
        if chars_left < 0:
            break
        lines.append(line)
    return lines, len(lines)


def _entry_words(entry: Listed, chars_max: int) -> str:
    title, text = entry.parts
    sentences = split(text)
    sentence = sentences[0] if sentences else ""
    own = title.lower() != words_of(entry.name).lower() and title.lower() not in sentence.lower()
    colon = "：" if is_wide(sentence) and is_wide(title) else ": "
    whole = f"{title}{colon}{sentence}" if own and sentence else sentence or (title if own else "")
    # A title leads further than a sentence without its end.
    return fit(title if own and len(whole) > chars_max else whole, chars_max)


def _without_shared_headings(entries: Sequence[Listed]) -> list[Listed]:
    """Leave out the headings that the parts of a divided document share: they tell none from another."""
    paths = [entry.parts[0].split(_STEP)[:-1] for entry in entries if not entry.is_dir]
    same = takewhile(lambda column: len({*column}) == 1, zip(*paths, strict=False)) if len(paths) > 1 else ()
    shared = "".join(f"{column[0]}{_STEP}" for column in same)
    return [
        replace(entry, abstract=entry.abstract.removeprefix(shared)) if shared and not entry.is_dir else entry
        for entry in entries
    ]


def _grouped(entries: Sequence[Listed], each: int, chars_left: int) -> tuple[list[str], int]:
    """Return a line for each group of entries whose names begin alike, with their titles; and one for each other entry."""
    groups: dict[tuple[bool, str], list[Listed]] = {}
    for entry in entries:
        groups.setdefault((entry.is_dir, _head(entry.name)), []).append(entry)
    lines: list[str] = []
    shown = 0
    rows: list[list[Listed]] = []
    for group in groups.values():
        rows += [group] if len(group) >= _GROUP_MIN else [[entry] for entry in group]
    for i, row in enumerate(rows):
        share = max(60, (chars_left - sum(len(line) + 1 for line in lines)) // (len(rows) - i))
        line = _row(row, share if len(row) > 1 else min(share, _LINE_CHARS))
        if sum(len(known) + 1 for known in lines) + len(line) + 1 > chars_left:
            break
        lines.append(line)
        shown += len(row)
    return lines, shown


def _row(row: Sequence[Listed], chars_max: int) -> str:
    if len(row) == 1:
        line = f"- `{row[0].label}`"
        words = _entry_words(row[0], max(30, chars_max - len(line) - 4))
        return f"{line}: {words}" if words else line
    ends = {entry.label[len(entry.name.rsplit(".", 1)[0]) :] for entry in row}
    pattern = f"{_head(row[0].name)}*{ends.pop() if len(ends) == 1 else ''}"
    line = f"- `{pattern}` ({len(row)})"
    return f"{line}: {_themes(row, max(30, chars_max - len(line) - 2))}"


def _head(name: str) -> str:
    """Return the first word of a name, by which entries are grouped."""
    mark = _NAME_HEAD.match(names.stem(name))
    return mark[0] if mark else name[:1]
