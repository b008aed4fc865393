"""The documents name every command, route, setting and plugin, and nothing that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from recalld.app.config import Config
from recalld.domain.commit import Op
from recalld.surfaces.cli.main import COMMANDS
from recalld.surfaces.http.app import ENDPOINTS
from tests.architecture.project import DOCS, ROOT, documents, rel

# Started by servers, not by people.
HIDDEN_COMMANDS = {"work"}


def settings(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings(kind, f"{above}{name}.")
        else:
            yield f"{above}{name}"


@pytest.mark.parametrize("key", sorted(settings(Config)))
def test_every_setting_is_in_the_documents(key: str) -> None:
    assert f"`{key}`" in (DOCS / "configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("route", sorted({f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}))
def test_every_route_is_in_the_documents(route: str) -> None:
    assert route in documents()


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - HIDDEN_COMMANDS))
def test_every_command_is_in_the_documents(command: str) -> None:
    assert f"recalld {command}" in documents()


@pytest.mark.parametrize("kind", get_args(Op), ids=lambda kind: kind.__name__)
def test_every_operation_says_what_it_does(kind: type) -> None:
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


NOUNS = "abstract account archive blob caller chunk commit fingerprint hit ledger level memory node overview pack "
NOUNS += "partition peer receipt resource rule session skill snapshot tenant tier tripwire"


@pytest.mark.parametrize("noun", NOUNS.split())
def test_every_own_noun_is_in_the_glossary(noun: str) -> None:
    assert f"**{noun}**" in (DOCS / "GLOSSARY.md").read_text(encoding="utf-8")


PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def links() -> list[tuple[Path, str, str]]:
    """Page, file and anchor of every relative link outside code."""
    return [
        (page, target, anchor)
        for page in PAGES
        for target, anchor in re.findall(
            r"\]\(([^)#\s]*)#?([^)\s]*)\)", FENCE.sub("", page.read_text(encoding="utf-8"))
        )
        if "://" not in target
    ]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings]
    return {slug if not slugs[:n].count(slug) else f"{slug}-{slugs[:n].count(slug)}" for n, slug in enumerate(slugs)}


def test_every_link_between_documents_resolves() -> None:
    assert [f"{rel(page)} -> {target}" for page, target, _ in links() if not (page.parent / target).exists()] == []


def test_every_anchor_between_documents_resolves() -> None:
    lost = [
        f"{rel(page)} -> {target}#{anchor}"
        for page, target, anchor in links()
        if anchor and anchor not in anchors(page.parent / target if target else page)
    ]
    assert lost == []


TARGETS = "setup demo test check test-slow test-faults bench bench-liveness soak clean"


@pytest.mark.parametrize("target", TARGETS.split())
def test_every_documented_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"make {target}" in documents()
