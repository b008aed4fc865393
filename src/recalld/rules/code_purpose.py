"""L0 of source code: the module's docstring, else those of its definitions, else their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from recalld.domain.document import Document, Section
from recalld.domain.policy import ABSTRACT_CHARS_MAX

from .inline_markup import plain_markdown, plain_rst
from .lines import split_lines
from .sentences import first_sentence, fit
from .titles import titled

_SENTENCE_CHARS: Final = 140
_DOCSTRING = re.compile(
    r':[ \t]*\n\s*[rR]?(?:"""(.{1,400}?)(?:"""|\n\s*\n)|\'\'\'(.{1,400}?)(?:\'\'\'|\n\s*\n))', re.DOTALL
)
_COMMENT = re.compile(r"\s*(?://+!?|#+|/\*\*?|\*)\s?(.*)")
_RULER = re.compile(r"[-=*#~_/ ]{3,}$")
_PARAMETERS = re.compile(
    r"(?:^|\s)(?::(?:param|type|return|rtype|raise|arg)\w*\b|@(?:param|returns?|throws|type|example|see|since|default|deprecated|link|module)\b|"
    r"(?:Args|Arguments|Parameters|Returns|Raises|Example|Usage):?\s*(?:\n|-{3,}|$)|[-=*~]{4,})"
)
_TEST_NAME = re.compile(r"(?:\w+\.)?(?:test_|Test|it_)(\w+)$")
_LANGUAGES: Final = {
    "cpp": "C++",
    "csharp": "C#",
    "javascript": "JavaScript",
    "typescript": "TypeScript",
    "tsx": "TypeScript",
}


def code_abstract(name: str, document: Document) -> str:
    """Return ``cart.py: A shopping cart and its items.``, at most 256 characters."""
    name = name.rsplit("/", 1)[-1]
    summary = plain_code(document.summary)
    if len(summary) > 12:
        return titled(name, summary)
    described = ""
    for symbol, sentence in _described(document):
        more = f"{described} {symbol}: {sentence}".strip()
        if described and len(more) > ABSTRACT_CHARS_MAX - len(name) - 2:
            break
        described = more
    if described:
        return fit(f"{name}: {described}", ABSTRACT_CHARS_MAX)
    language = document.media.removeprefix("text/x-")
    language = _LANGUAGES.get(language, language.capitalize())
    shown = [summary] if summary else _names(document)
    return fit(f"{name} ({language})" + (f": {', '.join(shown)}" if shown else ""), ABSTRACT_CHARS_MAX)


def comment_of(source: str) -> str:
    """Return the first sentence of the comment above a definition, else of its docstring; "" without either."""
    above: list[str] = []
    for line in split_lines(source)[:12]:
        mark = _COMMENT.match(line)
        if not mark:
            break
        if not _RULER.match(line):
            above.append(mark[1].removesuffix("*/").strip())
    summary = " ".join(above)
    if not summary.strip() and (doc := _DOCSTRING.search(source)):
        summary = doc[1] or doc[2]
    return first_sentence(plain_code(summary), _SENTENCE_CHARS)


def plain_code(comment: str) -> str:
    """Return a comment's words without its parameters: comments are written in Markdown or reStructuredText."""
    comment = _PARAMETERS.split(comment, maxsplit=1)[0]
    return (
        plain_markdown(plain_rst(comment))
        if "`" in comment and ":`" in f" {comment}" or "``" in comment
        else plain_markdown(comment)
    )


def _described(document: Document) -> Iterator[tuple[str, str]]:
    """Yield top-level definitions with a comment of their own: public ones first, then larger ones."""
    sizes: dict[str, int] = {}
    for symbol in document.symbols:
        sizes[symbol.split(".", 1)[0]] = sizes.get(symbol.split(".", 1)[0], 0) + 1
    top = [(_symbol(section, document), section) for section in document.sections if section.depth == 1]
    for name, section in sorted(top, key=lambda pair: (pair[0].startswith("_"), -sizes.get(pair[0], 0))):
        sentence = comment_of(section.text[:1_200])
        if len(sentence) > 12:
            yield name, sentence


def _symbol(section: Section, document: Document) -> str:
    """Return the name in a definition's signature."""
    head = section.heading.split("(", 1)[0]
    found = [s for s in document.symbols if "." not in s and re.search(rf"(?<!\w){re.escape(s)}(?!\w)", head)]
    return max(found, key=len) if found else head


def _names(document: Document) -> list[str]:
    """Return the names of definitions; those of tests as words."""
    tests = [re.sub(r"_+", " ", mark[1]).strip() for s in document.symbols if (mark := _TEST_NAME.match(s))]
    if len(tests) * 2 > len(document.symbols):
        return tests
    top = [s for s in document.symbols if "." not in s]
    return sorted(top or document.symbols, key=lambda s: s.startswith("_"))[:40]
