"""Runs other projects' programs beside a live recalld, each with its own environment and home folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).parents[2] / ".venv-clients"
DRIVE = Path(__file__).parent / "drive"
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended."""

    exit: int
    out: str
    err: str


def client(name: str) -> Path:
    """A client's folder. Fails the test when it is not installed: these tests are asked for by name."""
    folder = CLIENTS / name
    assert (folder / ".complete").exists(), f"{folder} is not there: make test-clients installs it"
    return folder


def run(command: list[str], home: Path, **environment: str) -> Ran:
    """Run a program that must not see this machine's own settings."""
    home.mkdir(parents=True, exist_ok=True)
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "NO_PROXY": "*", **environment}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=clean,
        cwd=home,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class StepResults:
    """Results of a script's steps."""

    steps: Mapping[str, Any]

    def __getitem__(self, step: str) -> Any:
        """The result of a step. Fails the test if the step raised."""
        result = self.steps[step]
        assert "raised" not in result, f"{step}: {result['raised']}"
        return result["gave"]

    def raised(self, step: str) -> dict[str, Any]:
        """The exception of a step. Fails the test if the step returned."""
        result = self.steps[step]
        assert "raised" in result, f"{step} gave {result.get('gave')}"
        return dict(result["raised"])


def drive(environment: str, script: str, home: Path, *arguments: str) -> StepResults:
    """Run a script of ``drive/`` with the client's Python."""
    python = client(environment) / "bin" / "python"
    ran = run([str(python), str(DRIVE / script), *arguments], home)
    assert ran.exit == 0, f"{script} left with {ran.exit}:\n{ran.err[-3_000:]}"
    return StepResults(json.loads(ran.out))
