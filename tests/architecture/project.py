"""Paths and syntax trees that the architecture tests share."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "recalld"
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"
SOURCES = sorted(SRC.rglob("*.py"))
PACKAGES = ("domain", "rules", "ports", "prompts", "infra", "usecases", "adapters", "app", "surfaces")


def rel(path: Path) -> str:
    """The path from the project's root."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """A source file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a source file's syntax tree. A walk costs as much as parsing, and most rules need one."""
    return tuple(ast.walk(parsed(path)))


def documents() -> str:
    """All of docs/ and the README, as one text; not the table that lists every route and explains none."""
    files = [*sorted(set(DOCS.rglob("*.md")) - {DOCS / "compatibility.md"}), ROOT / "README.md"]
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
