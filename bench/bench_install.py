"""How large an installation is."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from bench.table import Row, at_most

ROOT = Path(__file__).parents[1]


def measure(folder: Path) -> list[Row]:
    """``pip install .`` into an empty environment: bytes on disk (pip and setuptools included) and packages."""
    place = folder / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", str(ROOT)], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    size = subprocess.run(["du", "-sk", str(place)], capture_output=True, text=True, check=True)
    return [
        at_most("install: size on disk", int(size.stdout.split()[0]) / 1024, 300, "MB"),
        at_most("install: packages", len(listed.stdout.splitlines()), 95, ""),
    ]
