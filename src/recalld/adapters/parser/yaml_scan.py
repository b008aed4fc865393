"""YAML as a stream of events: nothing is constructed, so there are no alias bombs, objects or deep recursion."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

EVENTS_MAX = 40_000


class Unreadable(ValueError):
    """The text is not YAML, or nested deeper than the limit; the message says which."""


@cache
def _yaml() -> Any:
    """Return pyyaml, loaded for the first file."""
    return importlib.import_module("yaml")


def scalars(text: str, depth_max: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every scalar value with the keys above it (items of a list share their list's keys), in order, at most about
    ``EVENTS_MAX`` / 2. Aliases are not followed. Raises ``Unreadable``."""
    yaml = _yaml()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # One entry per open collection: [is a mapping, key waiting for its value or None].
    stack: list[list[Any]] = []
    try:
        for count, event in enumerate(yaml.parse(text, Loader=loader)):
            if count > EVENTS_MAX:
                return
            if isinstance(event, yaml.CollectionStartEvent):
                if stack and stack[-1][0] and stack[-1][1] is None:
                    stack[-1][1] = "?"
                stack.append([isinstance(event, yaml.MappingStartEvent), None])
                if len(stack) > depth_max:
                    raise Unreadable(f"nested deeper than {depth_max} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                _value_done(stack)
            elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                value = event.value if isinstance(event, yaml.ScalarEvent) else f"*{event.anchor}"
                if stack and stack[-1][0] and stack[-1][1] is None:
                    stack[-1][1] = value
                    continue
                yield tuple(key for mapping, key in stack if mapping and key is not None), value
                _value_done(stack)
    except yaml.YAMLError as bad:
        mark = getattr(bad, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise Unreadable(f"not valid YAML{where}") from bad
    except (ValueError, RecursionError) as bad:
        raise Unreadable(str(bad) or "not valid YAML") from bad


def _value_done(stack: list[list[Any]]) -> None:
    if stack and stack[-1][0]:
        stack[-1][1] = None
