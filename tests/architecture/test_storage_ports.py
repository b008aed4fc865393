"""The storage ports are narrow, say nothing of SQLite, and are listed method by method in the documentation."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.project import DOCS, SRC, nodes, parsed

MODULES = ("ledger", "jobs", "registry", "history", "maintenance")
METHODS_MAX = 13
OF_SQLITE = frozenset({"sqlite", "apsw", "checkpoint", "vacuum", "wal", "slice", "connection", "file_bytes", "process"})
ROW = re.compile(r"^\| `(\w+)` \((\d+)\) \| ([^|]*) \|", re.MULTILINE)


def protocols() -> dict[str, list[str]]:
    """Methods of every storage port, without those of ``ReadTransaction``, which repeats others."""
    found: dict[str, list[str]] = {}
    for module in MODULES:
        for node in parsed(SRC / "ports" / f"{module}.py").body:
            if isinstance(node, ast.ClassDef) and any(
                isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases
            ):
                found[node.name] = [f.name for f in node.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {name: methods for name, methods in found.items() if methods and name != "ReadTransaction"}


def test_the_documentation_lists_every_method_of_every_storage_port() -> None:
    text = (DOCS / "storage-ports.md").read_text(encoding="utf-8")
    listed = {name: (int(count), re.findall(r"`(\w+)`", methods)) for name, count, methods in ROW.findall(text)}
    assert {name: sorted(methods) for name, (_, methods) in listed.items()} == {
        name: sorted(methods) for name, methods in protocols().items()
    }
    assert all(count == len(methods) for count, methods in listed.values())


def test_no_storage_port_is_wide() -> None:
    assert {name: len(methods) for name, methods in protocols().items() if len(methods) > METHODS_MAX} == {}


@pytest.mark.parametrize("module", MODULES)
def test_no_signature_of_a_storage_port_names_sqlite(module: str) -> None:
    words = {
        word
        for function in nodes(SRC / "ports" / f"{module}.py")
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in (function.name, *(a.arg for a in (*function.args.args, *function.args.kwonlyargs)))
        for word in name.lower().split("_")
    }
    assert sorted(words & OF_SQLITE) == []
