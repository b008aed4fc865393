"""Routes, commands and flags are words of surfaces: no lower layer mentions one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from recalld.surfaces.cli.exit_codes import WORDS as CLI_WORDS
from recalld.surfaces.http.reply import WORDS as HTTP_WORDS
from tests.architecture.project import SOURCES, SRC, nodes, rel

OF_SURFACES = re.compile(
    r"/api/v1|\b(?:GET|POST|PUT|DELETE|PATCH) /|(?:^|[\s(`'\"])--[a-z][a-z-]+|\brecalld (?:add|fsck|get|history|skills|snapshot)\b"
)
OPERATION = re.compile(r"`([a-z_]+)`")
ELSEWHERE = {
    "src/recalld/app/config.py",  # descriptions of the server's own settings
    "src/recalld/adapters/embedder/static.py",  # a flag of pip
}
BELOW = [path for path in SOURCES if path.relative_to(SRC).parts[0] != "surfaces"]


def texts(tree: tuple[ast.AST, ...]) -> Iterator[ast.Constant]:
    """Every string that is no docstring."""
    statements = {id(n.value) for n in tree if isinstance(n, ast.Expr)}
    for node in tree:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node


def test_no_text_below_surfaces_names_a_route_a_command_or_a_flag() -> None:
    found = [
        f"{rel(path)}:{text.lineno}: {text.value}"
        for path in BELOW
        if rel(path) not in ELSEWHERE
        for text in texts(nodes(path))
        if OF_SURFACES.search(str(text.value))
    ]
    assert found == []


@pytest.mark.parametrize("words", [HTTP_WORDS, CLI_WORDS], ids=["http", "cli"])
def test_every_operation_that_a_remedy_names_has_words_on_every_surface(words: dict[str, str]) -> None:
    named = {
        name
        for path in BELOW
        for node in nodes(path)
        if isinstance(node, ast.keyword) and node.arg == "remedy"
        for text in ast.walk(node.value)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        for name in OPERATION.findall(text.value)
    }
    assert named
    assert named <= set(words)
