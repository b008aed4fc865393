"""The fakes have the signatures of what they stand for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from recalld.app.engine import Engine
from recalld.app.sessions import SessionOperations
from recalld.app.stats import StatsOperations
from recalld.app.tasks import TaskOperations
from tests.python_api import methods
from tests.surfaces.http.fake_engine import FakeEngine, FakeStats
from tests.surfaces.http.fake_sessions import FakeSessions, FakeTasks

PAIRS = [
    (FakeEngine, Engine),
    (FakeSessions, SessionOperations),
    (FakeTasks, TaskOperations),
    (FakeStats, StatsOperations),
]
CASES = [(fake, real, name) for fake, real in PAIRS for name in methods(fake)]


def _shape(method: Callable[..., Any]) -> inspect.Signature:
    """The parameters and the result; another fake may be the result."""
    signature = inspect.signature(method)
    return signature.replace(return_annotation=str(signature.return_annotation).removeprefix("Fake"))


@pytest.mark.parametrize(("fake", "real", "name"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_a_fake_has_the_signature_of_the_real_method(fake: type, real: type, name: str) -> None:
    assert _shape(getattr(fake, name)) == _shape(getattr(real, name))
