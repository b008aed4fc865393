"""Every plugin named in the packaging loads and is described; every library we import is declared."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from importlib.metadata import EntryPoint, packages_distributions

import pytest

from tests.architecture.project import ROOT, SOURCES, SRC, documents, nodes

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
POINTS = [
    EntryPoint(name=name, value=value, group=group)
    for group, lines in PROJECT.get("entry-points", {}).items()
    for name, value in lines.items()
]
CONFIGURABLE = [p for p in POINTS if p.group != "recalld.parser" and p.name != "hash"]
# Loaded by name where they are chosen: uvloop and httptools by uvicorn, python-multipart and uvicorn by the web server.
UNIMPORTED = {"uvloop", "httptools", "uvicorn", "python-multipart"}


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.group}:{point.name}")
def test_every_entry_point_names_a_plugin(point: EntryPoint) -> None:
    plugin = point.load()
    assert plugin.name == point.name


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.group}:{point.name}")
def test_every_plugin_is_in_the_documents(point: EntryPoint) -> None:
    assert f"`{point.name}`" in documents()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", name, maxsplit=1)[0]).lower()


def _imported() -> set[str]:
    tops: set[str] = set()
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Import):
                tops |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                tops.add(node.module.split(".")[0])
    return tops - set(sys.stdlib_module_names) - {"recalld"}


def test_every_library_we_import_is_declared() -> None:
    declared = {_normal(line) for line in PROJECT["dependencies"]}
    declared |= {_normal(line) for extra in PROJECT["optional-dependencies"].values() for line in extra}
    # Comes with one that is declared, by contract of that one.
    declared |= {"pydantic", "starlette", "click", "typing-extensions", "anyio"}
    owners = packages_distributions()
    undeclared = {top for top in _imported() if top in owners and not {_normal(d) for d in owners[top]} & declared}
    assert undeclared == set()


def test_no_library_is_declared_for_nothing() -> None:
    owners = packages_distributions()
    imported = {_normal(dist) for top in _imported() for dist in owners.get(top, [top])}
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    idle = {
        name
        for name in map(_normal, PROJECT["dependencies"])
        if name not in imported | UNIMPORTED and name.replace("-", "_") not in text
    }
    assert idle == set()


def test_the_package_carries_its_type_marker() -> None:
    assert (SRC / "py.typed").is_file()


@pytest.mark.parametrize("point", CONFIGURABLE, ids=lambda point: f"{point.group}:{point.name}")
def test_every_setting_of_a_plugin_is_in_the_documents(point: EntryPoint) -> None:
    settings = inspect.signature(point.load().settings).parameters
    assert not [name for name in settings if f"`{name}`" not in documents()]
