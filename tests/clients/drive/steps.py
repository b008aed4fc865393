"""For the scripts that run in a client's own environment: steps are done in order, what each gave is told as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

TOLD: dict[str, Any] = {}


def step(done: Callable[[], Any]) -> Callable[[], Any]:
    """Do a step now. What it raises is its answer: the tests say which steps may fail, and how."""
    try:
        TOLD[done.__name__] = {"gave": done()}
    except Exception as error:  # noqa: BLE001 - whatever a stranger's client raises is what is asked about
        TOLD[done.__name__] = {"raised": raised(error)}
    return done


def raised(error: BaseException) -> dict[str, Any]:
    """An error as a test can look at it."""
    nested = getattr(error, "exceptions", None)
    if nested:
        return raised(nested[0])
    details = getattr(error, "details", None)
    shown = details if isinstance(details, dict) else None
    return {"type": type(error).__name__, "code": getattr(error, "code", None), "details": shown, "says": str(error)}


def finish() -> None:
    """Tell everything."""
    json.dump(TOLD, sys.stdout, default=str)
