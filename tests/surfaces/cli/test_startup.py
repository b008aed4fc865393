"""Modules that a command loads: start-up time is imports, which can be counted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from recalld.surfaces.cli.main import COMMANDS

_HEAVY = {
    "fastapi",
    "starlette",
    "uvicorn",
    "numpy",
    "apsw",
    "httpx",
    "rich",
    "pydantic_settings",
    "recalld.app.engine",
}
_PROBE = """
import json, sys
from recalld.surfaces.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def _loaded(*words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _PROBE, *words], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "words",
    [
        ("ls",),
        ("find", "x", "--json"),
        ("session", "list"),
        ("task", "list"),
        ("write", "viking://resources/a.md", "--content", "x"),
    ],
    ids=lambda words: words[0],
)
def test_a_client_command_loads_no_server_and_no_engine(words: tuple[str, ...]) -> None:
    assert _HEAVY & _loaded(*words, "--url", "http://127.0.0.1:1") == set()


def test_a_command_loads_only_its_own_module() -> None:
    loaded = _loaded("ls", "--url", "http://127.0.0.1:1")
    others = {f"recalld.surfaces.cli.{module}" for module in COMMANDS.values()} - {"recalld.surfaces.cli.browse"}
    assert others & loaded == set()


def test_the_worker_loads_no_command_line() -> None:
    probe = (
        "import sys; sys.argv = ['recalld', 'work']; import recalld.__main__ as entry;"
        "entry.main(); print('typer' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
