"""What the demo imports: this project's own pages and sources, and the texts of the libraries beside it."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILES_MIN = 300
FILES_MAX = 600
BYTES_MAX = 200_000
TEXTS = {".md", ".rst", ".txt"}
# Lists for installers, not for readers.
NO_READING = {
    "top_level.txt",
    "entry_points.txt",
    "SOURCES.txt",
    "dependency_links.txt",
    "requires.txt",
    "namespace_packages.txt",
}
LIBRARIES = ("httpx", "httpcore", "typer", "rich", "starlette", "pydantic", "anyio", "structlog", "uvicorn")


@dataclass
class Corpus:
    """Where it lies and how many files of each kind it holds."""

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> int:
        return sum(self.counts.values())


def gather(project: Path, into: Path) -> Corpus:
    """Copy everything into a new folder each time: at least 300 files, at most 600."""
    shutil.rmtree(into, ignore_errors=True)
    corpus = Corpus(into)
    packages = Path(sysconfig.get_paths()["purelib"])
    _copy(corpus, "project", project, _own(project))
    _copy(corpus, "licences", packages, _licences(packages))
    _copy(corpus, "docs", packages, _texts(packages))
    _copy(corpus, "sources", packages, _sources(packages))
    if corpus.files < FILES_MIN:
        raise SystemExit(
            f"only {corpus.files} files to import below {packages}: is the environment set up (make setup)?"
        )
    return corpus


def _copy(corpus: Corpus, kind: str, root: Path, paths: Iterator[Path]) -> None:
    corpus.counts[kind] = 0
    for path in paths:
        if corpus.files >= FILES_MAX:
            return
        target = corpus.folder / kind / _place(kind, path.relative_to(root))
        if target.exists() or not 0 < path.stat().st_size <= BYTES_MAX:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        corpus.counts[kind] += 1


def _place(kind: str, relative: Path) -> Path:
    """Licences lie under their library's name: ``numpy/LICENSE.txt``, not ``numpy-2.4.dist-info/licenses/...``."""
    if kind != "licences":
        return relative
    library = relative.parts[0].removesuffix(".dist-info").rsplit("-", 1)[0]
    rest = [part for part in relative.parts[1:] if part not in {"licenses", "license_files"}]
    return Path(library, *rest)


def _own(project: Path) -> Iterator[Path]:
    yield from sorted(path for path in project.glob("*.md") if path.is_file())
    yield project / "LICENSE"
    yield from sorted((project / "docs").rglob("*.md"))
    yield from sorted((project / "src").rglob("*.py"))


def _licences(packages: Path) -> Iterator[Path]:
    for path in sorted(packages.glob("*.dist-info/**/*")):
        if path.is_file() and path.name.upper().startswith(("LICEN", "COPYING", "NOTICE", "AUTHORS")):
            yield path


def _texts(packages: Path) -> Iterator[Path]:
    for path in sorted(packages.rglob("*")):
        inside = not any(part.endswith(".dist-info") for part in path.parts)
        if inside and path.suffix in TEXTS and path.name not in NO_READING and path.is_file():
            yield path


def _sources(packages: Path) -> Iterator[Path]:
    for library in LIBRARIES:
        yield from sorted((packages / library).rglob("*.py"))
