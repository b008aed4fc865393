"""Architecture rules: layers, names, sizes, tests for every package."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.project import PACKAGES, ROOT, SOURCES, SRC, TESTS, nodes, parsed, rel

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"utils", "util", "common", "core", "base", "manager", "service", "helpers", "misc"}
# Tables, not code: a long one is easier to read than two.
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
# Packages of protocols or prompts: covered by the contract suites and the tests of the use cases.
UNMIRRORED = {"ports", "prompts"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_import_contract_is_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3_000:]


def test_every_package_is_listed() -> None:
    packages = {path.name for path in SRC.iterdir() if any(path.glob("*.py"))}
    assert packages == set(PACKAGES)


@pytest.mark.parametrize("package", [package for package in PACKAGES if package not in UNMIRRORED])
def test_every_package_has_tests(package: str) -> None:
    assert list((TESTS / package).rglob("test_*.py")), f"tests/{package} is empty"


@pytest.mark.parametrize("port", sorted(p.name for p in (SRC / "adapters").iterdir() if (p / "__init__.py").is_file()))
def test_every_port_has_tests_of_its_adapters(port: str) -> None:
    of_its_own = list((TESTS / "adapters" / port).rglob("test_*.py")) + list(
        (TESTS / "adapters").glob(f"test_{port}*.py")
    )
    by_contract = list((TESTS / "contract").glob(f"test_{port}*.py"))
    assert of_its_own or by_contract


def test_no_package_or_module_has_a_generic_name() -> None:
    named = [rel(path) for path in SOURCES if {path.stem, *path.relative_to(SRC).parts[:-1]} & BANNED_NAMES]
    assert named == []


def test_files_fit_one_sitting() -> None:
    long = {rel(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > LINES_MAX}
    assert long - LONG_FILES == set()


def test_functions_fit_one_screen() -> None:
    long = {
        f"{rel(path)}:{function.name}"
        for path in SOURCES
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert long - LONG_FUNCTIONS == set()


def test_every_module_says_what_it_is() -> None:
    assert [rel(path) for path in SOURCES if not ast.get_docstring(parsed(path))] == []


def test_our_own_modules_are_never_imported_inside_functions() -> None:
    hidden = [
        f"{rel(path)}:{node.lineno}"
        for path in SOURCES
        for function in functions(path)
        for node in ast.walk(function)
        if (isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("recalld")))
        or (isinstance(node, ast.Import) and any(name.name.startswith("recalld") for name in node.names))
    ]
    assert hidden == []


def test_nothing_leaves_the_loop_by_the_default_executor() -> None:
    # ruff bans what has a qualified name; this is a method.
    calls = [
        f"{rel(path)}:{node.lineno}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in {"run_in_executor", "to_thread", "set_default_executor"}
    ]
    assert calls == []


def test_nothing_runs_at_import() -> None:
    running = [
        f"{rel(path)}:{node.lineno}"
        for path in SOURCES
        if path.name != "__main__.py"
        for node in parsed(path).body
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try)
    ]
    assert running == []


@pytest.mark.parametrize("package", ["domain", "rules"])
def test_domain_and_rules_are_synchronous(package: str) -> None:
    waits = [
        f"{rel(path)}:{node.lineno}"
        for path in sorted((SRC / package).rglob("*.py"))
        for node in nodes(path)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    assert waits == []


def test_no_stub_and_no_promise_is_left_in_the_code() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplementedError")
    left = [f"{rel(path)}: {mark}" for path in SOURCES for mark in marks if mark in path.read_text(encoding="utf-8")]
    assert left == []


def test_tests_use_fakes_not_mocks() -> None:
    mocks = ("unittest" + ".mock", "Magic" + "Mock", "mocker" + ".")
    found = [
        rel(path) for path in sorted(TESTS.rglob("*.py")) if any(m in path.read_text(encoding="utf-8") for m in mocks)
    ]
    assert found == []


@pytest.mark.parametrize(
    "module", sorted(path.stem for path in (ROOT / "bench").glob("*.py") if path.stem != "__main__")
)
def test_every_bench_module_imports(module: str) -> None:
    # mypy reads src alone: a rename must not break a bench unnoticed.
    importlib.import_module(f"bench.{module}")
