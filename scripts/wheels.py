"""Whether a wheel of every dependency exists for each Python and platform that recalld supports: nobody should need a compiler.

    python scripts/wheels.py                 # all of them
    python scripts/wheels.py 3.13 linux-x86_64

Asks the package index through pip (nothing is installed, next to nothing is downloaded) with the versions of constraints.txt.
Exits 1 if something is missing, naming it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "linux-x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_5_x86_64"),
    "linux-aarch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "macos-arm64": tuple(f"macosx_{v}_0_arm64" for v in (14, 13, 12, 11))
    + ("macosx_11_0_universal2", "macosx_10_9_universal2"),
    "macos-x86_64": tuple(f"macosx_{v}_0_x86_64" for v in (14, 13, 12, 11))
    + tuple(f"macosx_10_{v}_{kind}" for v in (15, 14, 13, 12, 9) for kind in ("x86_64", "universal2"))
    + ("macosx_11_0_universal2",),
}


def dependencies() -> list[str]:
    """What pyproject.toml asks for, without the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [str(one) for one in project["dependencies"]]


def missing(python: str, tags: tuple[str, ...], wanted: list[str]) -> str:
    """Why pip cannot install ``wanted`` from wheels alone; "" if it can."""
    abi = "cp" + python.replace(".", "")
    with tempfile.TemporaryDirectory() as nowhere:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--disable-pip-version-check", "--no-input", "--target", nowhere, "--only-binary=:all:"]
        command += [
            "--implementation",
            "cp",
            "--python-version",
            python,
            "--abi",
            abi,
            "--abi",
            "abi3",
            "--abi",
            "none",
        ]
        command += [part for tag in tags for part in ("--platform", tag)]
        command += ["--constraint", str(ROOT / "constraints.txt"), *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return "" if done.returncode == 0 else "\n    ".join(errors) or done.stderr.strip()


def main(chosen: list[str]) -> int:
    """Check each pair; of one that fails, each dependency by itself, so that the lines name all that is missing."""
    wanted, failed = dependencies(), False
    pythons = [one for one in PYTHONS if one in chosen] or PYTHONS
    platforms = {name: tags for name, tags in PLATFORMS.items() if name in chosen} or PLATFORMS
    for python in pythons:
        for name, tags in platforms.items():
            if not missing(python, tags, wanted):
                print(f"ok      {python:5} {name}", flush=True)
                continue
            failed = True
            for one in wanted:
                if why := missing(python, tags, [one]):
                    print(f"MISSING {python:5} {name}: {one}\n    {why}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
