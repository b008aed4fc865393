"""The compatibility page is true, complete and up to date."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.architecture.project import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compatibility", ROOT / "scripts" / "compatibility.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["compatibility"] = module
    spec.loader.exec_module(module)
    return module


def test_every_route_is_listed_as_what_it_is(script: ModuleType) -> None:
    assert script.problems(script.load(), script.served()) == []


def test_the_page_is_what_the_data_says(script: ModuleType) -> None:
    assert script.PAGE.read_text(encoding="utf-8") == script.page(script.load()), "run scripts/compatibility.py"


def test_no_route_is_listed_twice(script: ModuleType) -> None:
    routes = [
        script.nameless(route) for family in script.load().values() if isinstance(family, dict) for route in family
    ]
    assert sorted(routes) == sorted(set(routes))


@pytest.mark.parametrize(
    ("listed", "wrong"),
    [
        ({}, "GET /a/{} is served and not listed"),
        ({"GET /a/{b}": "works", "GET /never": "works"}, "GET /never is listed as 'works' and is not served"),
        ({"GET /a/{b}": "not yet"}, "GET /a/{} is listed as 'not yet' and is served"),
        ({"GET /a/{b}": "works", "GET /bot/v1/x": "not yet"}, "does answer 501"),
        ({"GET /a/{b}": "works", "GET /never": "refused: why"}, "does not answer 501"),
        ({"GET /a/{b}": "fine"}, "'fine' is none of"),
    ],
)
def test_a_line_that_is_not_true_is_found(script: ModuleType, listed: dict[str, str], wrong: str) -> None:
    (problem,) = script.problems({"Family": listed}, {"GET /a/{}"})
    assert wrong in problem
