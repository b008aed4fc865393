"""Identifiers name what a thing is, in the field's words (docs/STYLE.md, rule 1)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, SOURCES, nodes, rel

# Participles carry a tense instead of a type.
TENSES = {"told", "said", "kept", "asked", "heard", "made", "looked", "given"}
# Pictures that a reader would have to translate.
PICTURES = {
    "wish", "wishes", "reach", "desk", "luggage", "shelf", "pen", "crowd", "fringe", "guest", "guests", "bring", "kin",
    "knit", "strand", "door", "doors", "house", "room", "rooms", "stranger", "strangers",
}  # fmt: skip
# Fields of the API, fields of stored jobs, and operation ids keep their names.
ALLOWED = {
    ("src/recalld/domain/history.py", "kept"),
    ("src/recalld/domain/pack.py", "kept"),
    ("src/recalld/domain/results.py", "made"),
    ("src/recalld/surfaces/http/models/history.py", "kept"),
    ("src/recalld/surfaces/http/models/resource.py", "kept"),
    ("src/recalld/surfaces/http/models/resource.py", "made"),
    ("src/recalld/usecases/add/import_progress.py", "kept"),
    ("src/recalld/usecases/add/run_import.py", "kept"),
}


def bound_names(tree: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every name that a module binds: definitions, parameters, variables, attributes, aliases."""
    for node in tree:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, getattr(node, "lineno", 0)


@cache
def names_in(path: Path) -> tuple[tuple[str, int], ...]:
    """The names that a file binds, with their lines."""
    return tuple(bound_names(nodes(path)))


def is_banned(name: str) -> bool:
    """True for a tense as the whole name, and for a picture as any part of it."""
    plain = name.strip("_").lower()
    return plain in TENSES or bool(set(plain.split("_")) & PICTURES)


def offences(paths: list[Path]) -> list[str]:
    found = {
        f"{rel(path)}:{line} {name}"
        for path in paths
        for name, line in names_in(path)
        if is_banned(name) and not name.startswith("test_") and (rel(path), name) not in ALLOWED
    }
    found |= {rel(path) for path in paths if is_banned(path.stem) or is_banned(path.parent.name)}
    return sorted(found)


def test_no_identifier_of_the_sources_is_banned() -> None:
    assert offences(SOURCES) == []


@pytest.mark.parametrize("folder", ["tests", "bench", "scripts", "examples"])
def test_no_identifier_beside_the_sources_is_banned(folder: str) -> None:
    assert offences(sorted((ROOT / folder).rglob("*.py"))) == []


def test_every_exception_is_needed() -> None:
    bound = {(rel(path), name) for path in SOURCES for name, _ in names_in(path)}
    assert bound >= ALLOWED


def test_a_banned_name_is_found_wherever_it_is_bound() -> None:
    code = "def f(told, *, b): said = 1; self.kept = 2\nclass Desk: house_rule: int = 1\nfor asked in b: pass"
    assert {name for name, _ in bound_names(ast.walk(ast.parse(code))) if is_banned(name)} == {
        *("told", "said", "kept", "Desk", "house_rule", "asked")
    }
