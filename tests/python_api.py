"""The Python API by name: ``find``, ``sessions.append``."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

from recalld.app.operations import Operations
from recalld.app.workspace import Workspace
from recalld.surfaces.blocking import _Blocking


def groups(kind: type = Workspace) -> Iterator[tuple[str, type]]:
    """The groups of a workspace, by the name of their property."""
    for name, member in inspect.getmembers(kind, lambda member: isinstance(member, property)):
        group = get_type_hints(member.fget).get("return")
        if not name.startswith("_") and isinstance(group, type) and issubclass(group, Operations | _Blocking):
            yield name, group


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    """The public methods of one class."""
    return {name: member for name, member in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def python_api(kind: type = Workspace) -> dict[str, Callable[..., Any]]:
    """Every public method of a workspace and of its groups."""
    return methods(kind) | {
        f"{group}.{name}": method for group, of in groups(kind) for name, method in methods(of).items()
    }


def operation(name: str) -> Callable[[Any], Callable[..., Any]]:
    """How to get a method from a workspace by its name."""
    return operator.attrgetter(name)
