"""Write docs/compatibility.md from docs/compatibility.toml, or say what of it is not true.

.venv/bin/python scripts/compatibility.py           # write the page
.venv/bin/python scripts/compatibility.py --check   # only look
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.routing import compile_path

from recalld.surfaces.http.app import ENDPOINTS
from recalld.surfaces.http.unsupported_routes import UNSUPPORTED

DOCS = Path(__file__).parents[1] / "docs"
DATA = DOCS / "compatibility.toml"
PAGE = DOCS / "compatibility.md"
STATES = ("works", "differs", "not yet", "refused", "ours")
HERE = ("works", "differs", "ours")
BESIDE = frozenset({"GET /docs", "GET /openapi.json", "GET /mcp", "POST /mcp", "DELETE /mcp"})
"""Served, and not by the route table."""

HEAD = """# What an OpenViking client finds here

Made by `scripts/compatibility.py` from `docs/compatibility.toml`: change that, then run
`.venv/bin/python scripts/compatibility.py`.

recalld answers the interface of OpenViking as of 2026, so that clients made for it work; it shares no code with it. **works**: as
there. **differs**: here, and the note says how. **refused**: 501 `UNIMPLEMENTED` with a sentence on what to use instead.
**not yet**: 404. **ours**: not in that interface. What 0.5.2 dropped and older clients still call is kept.

## On purpose

"""


def load(path: Path = DATA) -> dict[str, Any]:
    """The data file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def lines(data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Route -> state and note, of all families."""
    return {
        route: (state, note)
        for family in data.values()
        if isinstance(family, dict)
        for route, told in family.items()
        for state, _, note in [[part.strip() for part in told.partition(":")]]
    }


def served() -> set[str]:
    """Every route that is served, with the names in braces left out."""
    return {nameless(f"{endpoint.method} {endpoint.path}") for endpoint in ENDPOINTS} | BESIDE


def nameless(route: str) -> str:
    """``GET /a/{b}`` as ``GET /a/{}``."""
    return re.sub(r"\{[^}]*\}", "{}", route)


def refused(route: str) -> bool:
    """True if this route is among those that answer 501."""
    path = route.split(" ", 1)[1].replace("{}", "x")
    return any(compile_path(pattern)[0].match(path) for pattern in UNSUPPORTED)


def problems(data: dict[str, Any], here: set[str]) -> list[str]:
    """What the data file says and the server does not do, one line each."""
    told = {nameless(route): state for route, (state, _) in lines(data).items()}
    found = [f'{route} is served and not listed: add "{route}" = "works"' for route in sorted(here - set(told))]
    for route, state in told.items():
        if state not in STATES:
            found.append(f"{route}: {state!r} is none of {', '.join(STATES)}")
        elif state == "refused" and route in here:
            continue  # a handler of its own says so
        elif (state in HERE) != (route in here):
            found.append(f"{route} is listed as {state!r} and is {'served' if route in here else 'not served'}")
        elif state not in HERE and refused(route) != (state == "refused"):
            found.append(f"{route} is listed as {state!r} and does {'' if refused(route) else 'not '}answer 501")
    return found


def page(data: dict[str, Any]) -> str:
    """The page."""
    listed = lines(data)
    counts = ", ".join(f"{sum(state == s for s, _ in listed.values())} {state}" for state in STATES)
    text = (
        HEAD
        + "".join(f"- {one}\n" for one in data["differences"])
        + f"\n## Route by route\n\n{len(listed)} routes: {counts}.\n"
    )
    for family, routes in data.items():
        if isinstance(routes, dict):
            text += f"\n### {family}\n\n| route | | |\n|---|---|---|\n" + "".join(_rows(routes, listed))
    return text


def _rows(routes: Iterable[str], listed: dict[str, tuple[str, str]]) -> list[str]:
    return [f"| `{route}` | {listed[route][0]} | {listed[route][1].replace('|', '/')} |\n" for route in routes]


def main(arguments: list[str]) -> int:
    """0, or 1 if something is not true (with ``--check``: or the page is not up to date)."""
    data = load()
    wrong = problems(data, served())
    if "--check" in arguments:
        wrong += (
            []
            if PAGE.read_text(encoding="utf-8") == page(data)
            else [f"{PAGE.name} is out of date: run this without --check"]
        )
    else:
        PAGE.write_text(page(data), encoding="utf-8")
    print("\n".join(wrong) if wrong else f"{PAGE.name} is up to date")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
