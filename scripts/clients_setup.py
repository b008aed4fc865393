"""Install other projects' clients for ``make test-clients``: each in a folder of its own, none beside recalld.

They are test dependencies only. ``clients_setup.py [name...]`` makes the named ones, without names all of them; what is
there already stays. Needs a package index; the inspector needs npm besides. A client that cannot be installed is named
on stderr and its tests fail: they are never skipped in silence.
"""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / ".venv-clients"
PYTHONS = {
    "sdk": ("openviking-sdk==0.1.17",),
    "langchain": ("langchain-openviking[langgraph]==0.1.0",),
    "mcp1": ("mcp>=1.20,<2",),
    "mcp2": ("mcp>=2.3,<3",),
    "schema": ("schemathesis>=4,<5",),
}
"""A virtual environment each: what is installed in it."""
OV_WHEEL = "openviking==0.5.2"
"""Only the compiled ``ov`` and the library beside it are taken; what the wheel depends on is never installed."""
OV_PARTS = ("openviking/bin/ov", "openviking.libs/")
INSPECTOR = ("@modelcontextprotocol/inspector@2.12.0", "node@22")
"""It wants Node 22; npm brings one for it alone, so that the machine's own may be older."""


def python_client(name: str, wanted: tuple[str, ...]) -> None:
    """A virtual environment with the packages."""
    where = HOME / name
    venv.create(where, with_pip=True)
    run(str(where / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)


def ov_binary() -> None:
    """Fetch the wheel alone and unpack what ``ov`` needs, where it looks for it."""
    where = HOME / "ov"
    where.mkdir(parents=True, exist_ok=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    run(*pip, "--no-deps", "--only-binary=:all:", "-d", str(where), OV_WHEEL)
    (wheel,) = where.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(where, [name for name in archive.namelist() if name.startswith(OV_PARTS)])
    wheel.unlink()
    (where / OV_PARTS[0]).chmod(0o755)


def inspector() -> None:
    """The inspector and its command line, from npm."""
    where = HOME / "inspector"
    where.mkdir(parents=True, exist_ok=True)
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(where), *INSPECTOR)


def run(*command: str) -> None:
    """Run it; what it prints is seen."""
    subprocess.run(command, check=True)


def marker_of(name: str) -> Path:
    """Exists when the client is whole."""
    return HOME / name / ".complete"


def main(names: list[str]) -> int:
    """0 when everything requested is there."""
    steps = {name: (lambda n=name, w=wanted: python_client(n, w)) for name, wanted in PYTHONS.items()}
    steps |= {"ov": ov_binary, "inspector": inspector}
    failed = 0
    for name in names or list(steps):
        if marker_of(name).exists():
            continue
        print(f"installing {name}", flush=True)
        try:
            steps[name]()
            marker_of(name).touch()
        except (subprocess.CalledProcessError, OSError) as bad:
            failed += 1
            print(f"cannot install {name}: {bad}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
