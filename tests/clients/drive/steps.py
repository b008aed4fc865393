"""Steps for the scripts that run in a client's own environment: run in order, their results printed as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

RESULTS: dict[str, Any] = {}


def step(function: Callable[[], Any]) -> Callable[[], Any]:
    """Run a step now and record its result or its exception."""
    try:
        RESULTS[function.__name__] = {"gave": function()}
    except Exception as error:  # noqa: BLE001 - any exception of the client is a result
        RESULTS[function.__name__] = {"raised": raised(error)}
    return function


def raised(error: BaseException) -> dict[str, Any]:
    """An error as JSON."""
    nested = getattr(error, "exceptions", None)
    if nested:
        return raised(nested[0])
    details = getattr(error, "details", None)
    shown = details if isinstance(details, dict) else None
    return {"type": type(error).__name__, "code": getattr(error, "code", None), "details": shown, "says": str(error)}


def finish() -> None:
    """Print all results."""
    json.dump(RESULTS, sys.stdout, default=str)
