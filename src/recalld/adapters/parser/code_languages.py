"""The syntax nodes that count as definitions in each language, and the grammar packages."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Language:
    """``module``/``function``: the wheel's grammar; ``defines``: node types of definitions and their kinds; ``opens``:
    node types whose children are visited; ``inside``: those that qualify the names in them."""

    module: str
    function: str
    defines: dict[str, str]
    opens: frozenset[str]
    inside: frozenset[str] = frozenset()


_BODIES = frozenset(
    {"block", "declaration_list", "class_body", "interface_body", "enum_body", "field_declaration_list"}
)
_SCRIPT = {
    "class_declaration": "class",
    "abstract_class_declaration": "class",
    "function_declaration": "function",
    "generator_function_declaration": "function",
    "method_definition": "method",
    "interface_declaration": "interface",
    "type_alias_declaration": "type",
    "enum_declaration": "enum",
}
_SCRIPT_OPENS = _BODIES | {
    "export_statement",
    "lexical_declaration",
    "class_declaration",
    "abstract_class_declaration",
    "internal_module",
    "statement_block",
    "expression_statement",
}
_SCRIPT_INSIDE = frozenset({"class_declaration", "abstract_class_declaration"})
_C = {
    "function_definition": "function",
    "struct_specifier": "struct",
    "enum_specifier": "enum",
    "union_specifier": "union",
    "type_definition": "type",
    "preproc_function_def": "macro",
}
_C_OPENS = _BODIES | {"preproc_ifdef", "preproc_if", "preproc_else", "linkage_specification", "declaration_list"}

_SLICE_BYTES = 65_536

LANGUAGES: dict[str, Language] = {
    "python": Language(
        "tree_sitter_python",
        "language",
        {"class_definition": "class", "function_definition": "def"},
        _BODIES | {"decorated_definition", "class_definition", "if_statement", "try_statement"},
        frozenset({"class_definition"}),
    ),
    "javascript": Language("tree_sitter_javascript", "language", _SCRIPT, _SCRIPT_OPENS, _SCRIPT_INSIDE),
    "typescript": Language("tree_sitter_typescript", "language_typescript", _SCRIPT, _SCRIPT_OPENS, _SCRIPT_INSIDE),
    "tsx": Language("tree_sitter_typescript", "language_tsx", _SCRIPT, _SCRIPT_OPENS, _SCRIPT_INSIDE),
    "go": Language(
        "tree_sitter_go",
        "language",
        {"function_declaration": "func", "method_declaration": "func", "type_spec": "type", "type_alias": "type"},
        frozenset({"type_declaration"}),
    ),
    "rust": Language(
        "tree_sitter_rust",
        "language",
        {
            "function_item": "fn",
            "struct_item": "struct",
            "enum_item": "enum",
            "trait_item": "trait",
            "union_item": "union",
            "type_item": "type",
            "mod_item": "mod",
            "macro_definition": "macro",
            "function_signature_item": "fn",
        },
        _BODIES | {"impl_item", "trait_item", "mod_item"},
        frozenset({"impl_item", "trait_item", "mod_item"}),
    ),
    "java": Language(
        "tree_sitter_java",
        "language",
        {
            "class_declaration": "class",
            "interface_declaration": "interface",
            "enum_declaration": "enum",
            "record_declaration": "record",
            "method_declaration": "method",
            "constructor_declaration": "constructor",
        },
        _BODIES
        | {
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
            "enum_body_declarations",
        },
        frozenset({"class_declaration", "interface_declaration", "enum_declaration", "record_declaration"}),
    ),
    "c": Language("tree_sitter_c", "language", _C, _C_OPENS),
    "cpp": Language(
        "tree_sitter_cpp",
        "language",
        {**_C, "class_specifier": "class", "namespace_definition": "namespace", "alias_declaration": "type"},
        _C_OPENS | {"namespace_definition", "template_declaration", "class_specifier", "struct_specifier"},
        frozenset({"namespace_definition", "class_specifier", "struct_specifier"}),
    ),
}


@cache
def grammar(name: str) -> Any:
    """A language's grammar, loaded from its wheel when the first file needs it."""
    known = LANGUAGES[name]
    wheel = importlib.import_module(known.module)
    return importlib.import_module("tree_sitter").Language(getattr(wheel, known.function)())


def parsed(name: str, source: bytes, steps_max: int) -> Any:
    """Return the root node of ``source`` (UTF-8), or None if parsing takes more than ``steps_max`` steps (a few per
    kilobyte of valid code; invalid code can take very many). Each call creates a parser: parsers are not
    thread-safe."""
    steps = 0

    def give_up(_offset: int, _has_error: bool) -> bool:
        nonlocal steps
        steps += 1
        return steps > steps_max

    parser = importlib.import_module("tree_sitter").Parser(grammar(name))
    try:
        return parser.parse(lambda at, _: source[at : at + _SLICE_BYTES], progress_callback=give_up).root_node
    except ValueError:
        # The library raises this when its callback requests a stop.
        return None
