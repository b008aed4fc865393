"""Source code: its definitions in order, and its documentation comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recalld.domain.document import Document, Section
from recalld.ports.plugin import Plugin
from recalld.rules import media
from recalld.rules.encoding import decode
from recalld.rules.lines import split_lines

from .code_languages import LANGUAGES, Language, parsed

_NAME_FIELDS = ("name", "declarator", "type")
_IDENTIFIERS = frozenset(
    {
        "identifier",
        "type_identifier",
        "field_identifier",
        "property_identifier",
        "namespace_identifier",
        "qualified_identifier",
        "destructor_name",
        "operator_name",
        "private_property_identifier",
        "constant",
    }
)
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})
_LICENSE = re.compile(
    r"copyright|licen[sc]e|SPDX|all rights reserved|@ts-|eslint|pylint|-\*-|vim:|#!|generated", re.IGNORECASE
)
# Lines addressed to a tool, and rulers.
_FOR_TOOLS = re.compile(
    r"^[\s/*#;-]*(?:frozen_string_literal|encoding|coding|typed|rubocop|shellcheck|prettier|noqa|type|pyright|mypy|jshint|"
    r"vim?|@flow|sourceMappingURL)\b\s?[:=\s-]|^[\s/*#;]*[-=*#~_]{4,}[\s*/]*$"
)
_COMMENT_MARKS = re.compile(r"^\s*(?:/\*\*?!?|\*/|\*|///?!?|#+!?|--)[ \t]?|\s*\*/\s*$", re.MULTILINE)
_STRING = re.compile(r"^[rRbBuUfF]{0,2}(\"\"\"|'''|\"|')(.*)\1$", re.DOTALL)
_DEPTH_MAX = 6
_SIGNATURE_CHARS_MAX = 120


@dataclass(frozen=True, slots=True)
class CodeSettings:
    """``bytes_max`` and ``steps_max``: larger or more complex files are stored as text without symbols (the largest
    reasonable module measured takes 2,200 steps for 460 kB); ``symbols_max``: number of listed symbols."""

    bytes_max: int = 512_000
    steps_max: int = 4_000
    symbols_max: int = 400


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    signature: str
    depth: int
    start: int


class CodeParser:
    """Languages with a grammar have symbols, sections and docstrings; other code is text of its language."""

    suffixes: tuple[str, ...] = (*media.LANGUAGES, *media.PLAIN_LANGUAGES)
    names: tuple[str, ...] = ()

    def __init__(self, settings: CodeSettings | None = None) -> None:
        self._settings = settings or CodeSettings()

    def parse(self, name: str, data: bytes) -> Document:
        """Return ``summary``: the module's docstring or leading comment (without licences); ``symbols``: qualified
        names in order; ``sections``: the text split at top-level definitions; nested ones (depth 2) are not split."""
        decoded = decode(data)
        warnings = [decoded.warning] if decoded.warning else []
        kind = media.media_type(name)
        language = media.LANGUAGES.get(media.suffix_of(name), "")
        title = name.rsplit("/", 1)[-1]
        source = decoded.text.encode("utf-8", "replace")
        root = None
        if language and len(source) <= self._settings.bytes_max:
            root = parsed(language, source, self._settings.steps_max)
        if root is None:
            if language:
                warnings.append("too large or too broken to read its definitions: kept as text")
            comment = _leading_comment(decoded.text)
            return Document(kind, decoded.text, title=title, summary=comment, warnings=tuple(warnings))
        found = list(_definitions(root, LANGUAGES[language], self._settings.symbols_max))
        return Document(
            media=kind,
            text=decoded.text,
            title=title,
            summary=_docstring(root, source) if language == "python" else _leading_comment(decoded.text),
            symbols=tuple(dict.fromkeys(d.name for d in found)),
            sections=_sections(source, found),
            warnings=tuple(warnings),
        )


def _definitions(root: Any, language: Language, symbols_max: int) -> Iterator[_Definition]:
    """Yield definitions in source order, without recursion: generated code may nest very deeply."""
    stack: list[tuple[Any, tuple[str, ...], int]] = [(root, (), 0)]
    count = 0
    while stack and count < symbols_max:
        node, above, depth = stack.pop()
        kind = node.type
        inner = above
        if kind in language.defines or kind in language.inside:
            name = _name(node)
            if name and kind in language.inside:
                inner = (*above, name)
            if name and kind in language.defines:
                count += 1
                owner = _receiver(node)
                full = ".".join((*([owner] if owner else above), name))
                start = _beginning(node)
                yield _Definition(full, _signature(node), len(above) + 1, start)
        elif kind == "variable_declarator" and _is_function(node):
            count += 1
            name = _name(node)
            if name:
                yield _Definition(".".join((*above, name)), _signature(node), len(above) + 1, _beginning(node))
        if depth < _DEPTH_MAX and (depth == 0 or kind in language.opens or kind == "lexical_declaration"):
            stack.extend((child, inner, depth + 1) for child in reversed(node.named_children))


def _name(node: Any) -> str:
    """Return the identifier of a definition, inside C's declarators."""
    at = node
    for _ in range(6):
        below = next((child for field in _NAME_FIELDS if (child := at.child_by_field_name(field)) is not None), None)
        if below is None:
            return ""
        at = below
        if at.type in _IDENTIFIERS or at.child_count == 0:
            return " ".join(_text(at).replace("::", ".").split())[:120]
    return ""


def _receiver(node: Any) -> str:
    """Return the receiver type of a Go method: ``func (s *Store) Get``."""
    receiver = node.child_by_field_name("receiver")
    return (
        _text(receiver).strip("()").split()[-1].lstrip("*")[:80]
        if receiver is not None and _text(receiver).strip("() ")
        else ""
    )


def _is_function(node: Any) -> bool:
    value = node.child_by_field_name("value")
    return value is not None and value.type in {"arrow_function", "function_expression", "function"}


def _beginning(node: Any) -> int:
    """Byte offset of the definition with its decorators, export and the comment lines right above it."""
    while node.parent is not None and node.parent.type in {
        "decorated_definition",
        "export_statement",
        "lexical_declaration",
        "template_declaration",
        "type_declaration",
        "type_definition",
    }:
        node = node.parent
    above = node.prev_sibling
    while above is not None and above.type in _COMMENTS and above.end_point[0] + 1 >= node.start_point[0]:
        # A comment behind code on the line above belongs to that code.
        before = above.prev_sibling
        if before is not None and before.end_point[0] == above.start_point[0] and before.type not in _COMMENTS:
            break
        node, above = above, above.prev_sibling
    return int(node.start_byte)


def _signature(node: Any) -> str:
    """The definition's first line up to its body."""
    body = node.child_by_field_name("body")
    source = node.text or b""
    head = source[: body.start_byte - node.start_byte] if body is not None else source[:400]
    line = " ".join(head[:400].decode("utf-8", "ignore").split())
    return line.removesuffix("=>").rstrip(" {:;=")[:_SIGNATURE_CHARS_MAX]


def _sections(source: bytes, found: list[_Definition]) -> tuple[Section, ...]:
    """Split the source at the beginning of definitions; joined, the sections are the source."""
    cuts: list[_Definition] = []
    for definition in sorted(found, key=lambda d: (d.start, d.depth)):
        if not cuts or definition.start > cuts[-1].start:
            cuts.append(definition)
    if not cuts:
        return (Section("", 0, source.decode("utf-8", "replace")),) if source else ()
    result = [Section("", 0, source[: cuts[0].start].decode("utf-8", "replace"))] if cuts[0].start else []
    for i, cut in enumerate(cuts):
        end = cuts[i + 1].start if i + 1 < len(cuts) else len(source)
        result.append(Section(cut.signature or cut.name, cut.depth, source[cut.start : end].decode("utf-8", "replace")))
    return tuple(result)


def _docstring(root: Any, source: bytes) -> str:
    for child in root.named_children[:8]:
        if child.type in _COMMENTS:
            continue
        if (
            child.type == "expression_statement"
            and child.named_child_count
            and child.named_children[0].type == "string"
        ):
            return _first_paragraph(_unquoted(_text(child.named_children[0])))
        break
    return _leading_comment(source[:4_000].decode("utf-8", "ignore"))


def _leading_comment(text: str) -> str:
    """Return the first comment block that is not a licence, shebang or editor line; "" if code comes first."""
    block: list[str] = []
    star = False
    for line in split_lines(text[:8_000])[:120]:
        bare = "" if line.startswith("#!/") else line.strip()
        opens = bare.startswith("/*")
        if (
            star
            or opens
            or bare.startswith(("//", "#", "--", "*"))
            and not bare.startswith(("#include", "#define", "#if", "#pragma"))
        ):
            star = (star or opens) and "*/" not in bare
            block.append(bare)
            continue
        if comment := _comment_text(block):
            return comment
        block = []
        if bare and bare not in {"<?php", '"use strict";', "'use strict';"}:
            break
    return _comment_text(block)


def _comment_text(block: list[str]) -> str:
    comments = [line for line in block if not _FOR_TOOLS.search(line)]
    text = _COMMENT_MARKS.sub("", "\n".join(comments)).strip()
    return "" if not text or _LICENSE.search(text) else _first_paragraph(text)


def _first_paragraph(text: str) -> str:
    """Return the first paragraph as one line; a first line that only names the file is joined with the next one."""
    parts = [" ".join(part.split()) for part in re.split(r"\n[ \t]*\n", text.strip()[:3_000]) if part.strip()]
    if len(parts) > 1 and len(parts[0]) < 25:
        return f"{parts[0].rstrip('.:')}: {parts[1]}"[:800]
    return parts[0][:800] if parts else ""


def _unquoted(literal: str) -> str:
    inner = _STRING.match(literal.strip())
    return inner[2] if inner else literal


def _text(node: Any) -> str:
    return (node.text or b"").decode("utf-8", "ignore")


plugin = Plugin(kind="parser", name="code", settings=CodeSettings, make=CodeParser)
