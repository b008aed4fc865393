"""How large an installation is."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

from bench.table import Row, at_most

ROOT = Path(__file__).parents[1]
SHOWN = 12


def measure(folder: Path) -> list[Row]:
    """``pip install .`` into an environment without pip and setuptools: bytes on disk, packages, and the largest of them."""
    place = folder / "venv"
    venv.create(place, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", place / "bin" / "python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "-c", ROOT / "constraints.txt", ROOT], check=True)
    size = subprocess.run(["du", "-sk", place], capture_output=True, text=True, check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    sizes = sorted(((_size_mb(one), one.name) for one in distributions(path=[str(packages)])), reverse=True)
    return [
        at_most("install: size on disk", int(size.stdout.split()[0]) / 1024, 280, "MB"),
        at_most("install: packages", len(sizes), 95, ""),
        *(Row(f"install: {name}", f"{megabytes:.1f} MB") for megabytes, name in sizes[:SHOWN]),
    ]


def _size_mb(one: Distribution) -> float:
    paths = [Path(str(one.locate_file(file))) for file in one.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20
