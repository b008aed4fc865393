"""Whether the files in src/recalld/adapters/embedder/wordllama are those of the published wheel.

    python scripts/wordllama_files.py           # download the wheel and compare; needs the package index
    python scripts/wordllama_files.py --write   # and replace files that differ

Exits 1 if a file differs, naming it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

VERSION = "0.4.0.post1"
FOLDER = Path(__file__).resolve().parent.parent / "src" / "recalld" / "adapters" / "embedder" / "wordllama"
FILES = {
    "l2_supercat_256.safetensors": "wordllama/weights/l2_supercat_256.safetensors",
    "l2_supercat_tokenizer_config.json": "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
    "LICENSE": f"wordllama-{VERSION}.dist-info/licenses/LICENSE",
}
# The files are the same in the wheels of all platforms.
WHEEL = ("--only-binary=:all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64")


def published(folder: Path) -> dict[str, bytes]:
    """The files by name, out of the wheel, which pip checks against the index's own checksum."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", *WHEEL]
    subprocess.run([*command, "--dest", str(folder), f"wordllama=={VERSION}"], check=True)
    (wheel,) = folder.glob("wordllama-*.whl")
    with ZipFile(wheel) as archive:
        return {name: archive.read(path) for name, path in FILES.items()}


def main(arguments: list[str]) -> int:
    """Print one line a file."""
    with tempfile.TemporaryDirectory() as folder:
        files = published(Path(folder))
    differing = False
    for name, content in files.items():
        place = FOLDER / name
        same = place.is_file() and place.read_bytes() == content
        print(f"{'same   ' if same else 'DIFFERS'} {hashlib.sha256(content).hexdigest()} {name}")
        if not same and "--write" in arguments:
            place.write_bytes(content)
        differing |= not same
    return int(differing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
