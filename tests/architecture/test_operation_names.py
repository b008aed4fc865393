"""One name for one operation in Python, HTTP, the command line and MCP; the differences are listed with their reasons."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable

import pytest
import typer

import recalld
from recalld.app.workspace import Workspace
from recalld.surfaces.cli.main import COMMANDS
from recalld.surfaces.cli.main import GROUPS as COMMAND_GROUPS
from recalld.surfaces.http.app import ENDPOINTS
from recalld.surfaces.mcp.tools import TOOLS
from tests.architecture.project import DOCS
from tests.python_api import groups, python_api

API = python_api()
TAGS = {
    "fs": ("", "index", "history"),
    "content": ("", "index", "history"),
    "search": ("",),
    "resources": ("",),
    "system": ("", "index"),
    "debug": ("stats",),
    "log": ("history",),
    "pack": ("packs",),
    "snapshot": ("snapshots",),
    "privacy-configs": ("privacy",),
    "user-settings": ("locations",),
}
"""Routes are grouped by path, which OpenViking chose; a tag that is not here is a group of the same name."""
ROOT_COMMANDS = ("", "packs", "history", "stats")
COMMANDS_OF = {"session": ("sessions",), "task": ("tasks",), "snapshot": ("snapshots",)}

HTTP = {
    "content.batch_write": "write_many: the path is OpenViking's",
    "resources.temp_upload": "add takes a path; only a remote caller uploads",
    "search.recall": "assemble, in an older form of OpenViking's",
    "sessions.append_batch": "sessions.append: OpenViking has one route for one message and one for many",
    "snapshot.delete_ignore": "snapshots.write_ignore with an empty text",
    "privacy-configs.patch": "privacy.upsert with merge",
    "privacy-configs.remove_selected": "privacy.selected, then privacy.remove or privacy.remove_field",
    "skills.update": "skills.add with update",
    "skills.find": "find with context_type, then skills.of_answer",
    "stats.session": "sessions.get: figures of it in OpenViking's form",
    "admin.account_settings": "admin.account has them",
    "admin.user_settings": "admin.user has them",
    "admin.evolution": "not implemented",
    "admin.set_evolution": "not implemented",
    "admin.migrate": "not implemented",
    **dict.fromkeys(
        ("system.health", "system.ready", "system.status", "debug.debug_health", "system.metrics"),
        "Engine.readiness and Engine.health_snapshot: of the server, not of a caller",
    ),
    **dict.fromkeys(
        (f"observer.{part}" for part in ["queue", "vikingdb", "models", "lock", "retrieval", "filesystem", "system"]),
        "Engine.health_snapshot: OpenViking's names of its parts",
    ),
}
TOOL_NAMES = {
    "list": "ls: OpenViking's tool",
    "remember": "sessions.append, then sessions.commit: OpenViking's tool",
    "forget": "rm: OpenViking's tool",
    "add_resource": "add: OpenViking's tool",
    "add_skill": "skills.add: OpenViking's tool",
    "list_watches": "not implemented",
    "cancel_watch": "not implemented",
    "history": "history.versions with an address, else history.log",
    "health": "Engine.readiness",
}
COMMAND_NAMES = {
    "get": "download: OpenViking's command",
    "session new": "sessions.create: OpenViking's command",
    "session show": "sessions.get: a command shows",
    "task show": "tasks.get: a command shows",
    "task wait": "wait with task_id",
    "history show": "history.versions with an address, else history.log",
    "snapshot ignore-get": "snapshots.read_ignore: OpenViking's command",
    "snapshot ignore-set": "snapshots.write_ignore: OpenViking's command",
    "snapshot ignore-delete": "snapshots.write_ignore with an empty text: OpenViking's command",
    "skills update": "skills.add with update",
    "skills find": "find with context_type, then skills.of_answer",
    **dict.fromkeys(
        ["serve", "mcp", "work", "status", "top", "doctor", "fsck", "version", "import-openviking"],
        "of the server or the data folder, not of a caller",
    ),
    **dict.fromkeys(("agent install", "agent check", "config show", "config path"), "of files on this machine"),
    "eval": "find for each question of a file",
}
WITHOUT_ERRORS = {
    "locations.get",
    "locations.reset",
    "privacy.categories",
    "snapshots.read_ignore",
    "stats.usage",
    "stats.vectors",
    "tasks.list",
}
"""Operations that raise only what every operation may raise: ``Busy``, ``Closed``, ``Corrupt`` and ``Upstream``."""
PYTHON_ONLY = {
    "assemble": "search with mode context",
    "resolve": "requests resolve addresses themselves",
    "operation": "an item of write_many",
    "write_many": "batch_write",
    "count": "count of /debug/vector; stats.count takes a filter",
    "read_page": "read of MCP",
    "read_bytes": "download, in one piece",
    "history.read_at": "read with at",
    "history.seq_of": "used by the other operations",
    "index.would_prune": "reindex with dry_run",
    "privacy.selected": "used by remove_selected",
    "sessions.archives": "a directory of the tree",
    "snapshots.show_file": "show with path",
    "stats.vectors": "count without parameters",
    **dict.fromkeys(
        (f"skills.{name}" for name in ["roots", "store", "packages", "package", "usable", "of_answer"]),
        "steps of skills.add",
    ),
}


def in_python(name: str, prefixes: tuple[str, ...]) -> list[str]:
    """The Python operations a name can stand for."""
    spelt = name.replace("-", "_")
    spellings = {spelt, f"{spelt}_"}  # a name that is a keyword has an underscore in Python
    return [one for one in API if one.rpartition(".")[0] in prefixes and one.rpartition(".")[2] in spellings]


def routes() -> dict[str, list[str]]:
    found = {}
    for endpoint in ENDPOINTS:
        if not endpoint.later:
            tag, _, name = endpoint.operation.partition(".")
            found[endpoint.operation] = in_python(name, TAGS.get(tag, (tag,)))
    return found


def tools() -> dict[str, list[str]]:
    return {tool.name: in_python(tool.name, ("", "history")) for tool in TOOLS}


def commands() -> dict[str, list[str]]:
    found = {}
    for command, module in COMMANDS.items():
        if command not in COMMAND_GROUPS:
            found[command] = in_python(command, ROOT_COMMANDS)
            continue
        group = typer.main.get_group(importlib.import_module(f"recalld.surfaces.cli.{module}").app)
        for name in group.commands:
            found[f"{command} {name}"] = in_python(name, COMMANDS_OF.get(command, (command,)))
    return found


SURFACES = {"http": (routes, HTTP), "mcp": (tools, TOOL_NAMES), "cli": (commands, COMMAND_NAMES)}


@pytest.mark.parametrize("surface", SURFACES)
def test_an_operation_has_its_python_name_or_a_reason(surface: str) -> None:
    names, differences = SURFACES[surface]
    assert {name for name, found in names().items() if not found} == differences.keys()


@pytest.mark.parametrize("surface", SURFACES)
def test_a_difference_names_operations_that_exist(surface: str) -> None:
    _, differences = SURFACES[surface]
    named = {one for reason in differences.values() for one in re.findall(r"\b[a-z]+\.[a-z_]+\b", reason)}
    assert named - API.keys() == set()


def test_what_only_python_has_is_listed() -> None:
    served = {one for names, _ in SURFACES.values() for found in names().values() for one in found}
    assert API.keys() - served == PYTHON_ONLY.keys()


@pytest.mark.parametrize("name", API)
def test_an_operation_has_a_docstring_with_its_errors(name: str) -> None:
    text = API[name].__doc__ or ""
    first = text.strip().splitlines()[0] if text.strip() else ""
    assert first.endswith((".", ":"))
    assert not re.search(r"``Any``|\*\*options", text)
    assert "Raises " in text or name in WITHOUT_ERRORS


def annotations(method: Callable[..., object]) -> dict[str, str]:
    return {name: str(hint) for name, hint in method.__annotations__.items()}


@pytest.mark.parametrize("name", API)
def test_an_operation_has_typed_parameters(name: str) -> None:
    # A document of JSON has values of any type; a parameter has a type.
    assert [hint for hint in annotations(API[name]).values() if hint == "Any"] == []


@pytest.mark.parametrize(("name", "group"), list(groups(Workspace)))
def test_a_group_says_what_it_is(name: str, group: type) -> None:
    assert getattr(Workspace, name).__doc__
    assert group.__doc__


def test_the_package_exports_what_it_lists() -> None:
    assert recalld.__all__ == sorted(recalld.__all__)
    assert [name for name in recalld.__all__ if getattr(recalld, name, None) is None] == []
    with pytest.raises(AttributeError):
        recalld.nothing  # noqa: B018


@pytest.mark.parametrize("name", API)
def test_an_operation_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in (DOCS / "python.md").read_text(encoding="utf-8")
