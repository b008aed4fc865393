"""Which paths an import takes: .gitignore files, include and exclude patterns, and files that are not documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pathspec import GitIgnoreSpec

from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid
from recalld.rules.credentials import why_secret
from recalld.rules.encoding import decode
from recalld.rules.ignore import why_skip_file, why_skip_folder
from recalld.rules.lines import split_lines

GITIGNORE_BYTES_MAX = 262_144


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What to open and what of it to take: patterns as in .gitignore; ``choice.name`` "" = the path's own name."""

    path: Path
    choice: Choice


class Selection:
    """Decides path by path; a folder's .gitignore is added (``learn``) before the paths below it."""

    def __init__(self, choice: Choice) -> None:
        """Raises ``Invalid`` for a pattern that is none."""
        self._include = _spec(choice.include, "include")
        self._exclude = _spec(choice.exclude, "exclude")
        self._ignored = _spec(choice.ignore_dirs, "ignore_dirs")
        self._named = tuple(
            p.strip().strip("/").split("/") for p in choice.include if p.strip() and p.strip()[0] != "!"
        )
        self._learned: dict[str, GitIgnoreSpec] = {}

    def learn(self, folder: str, gitignore: bytes) -> None:
        """Take a folder's .gitignore; ``folder`` "" is the root. Lines that are not patterns are ignored."""
        lines = []
        for line in split_lines(decode(gitignore[:GITIGNORE_BYTES_MAX]).text):
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError:
                continue
            lines.append(line)
        self._learned[folder] = GitIgnoreSpec.from_lines(lines)

    def why_not_folder(self, path: str, holds: Callable[[str], bool] = lambda name: False) -> str:
        """Why a folder is not entered; "" to enter it. ``holds``: whether it has an entry of a name."""
        name = path.rsplit("/", 1)[-1]
        why = why_skip_folder(name, holds)
        if why and not any(_names(segment, name) for pattern in self._named for segment in pattern):
            return why
        if self._ignored and self._ignored.match_file(path + "/"):
            return "in ignore_dirs"
        if self._exclude and self._exclude.match_file(path + "/"):
            return "excluded"
        return "ignored by .gitignore" if self._git_ignores(path + "/") else ""

    def why_not_path(self, path: str) -> str:
        """Why a file is left out, judged by its path alone; "" to look at it."""
        if self._git_ignores(path):
            return "ignored by .gitignore"
        if self._exclude and self._exclude.match_file(path):
            return "excluded"
        return "not included" if self._include and not self._include.match_file(path) else ""

    def why_not_file(self, path: str, size: int, head: bytes) -> str:
        """Why a file is left out, its size and first bytes known; "" to take it. Credentials have to be named by a pattern of
        ``include``: one that takes everything does not mean them."""
        why = why_secret(path, head)
        return why if why and not self._is_named(path) else why_skip_file(path, size, head)

    def _is_named(self, path: str) -> bool:
        """True if an include pattern names this file, or a folder of credentials that it lies in."""
        *folders, name = path.split("/")
        secret = [folder for folder in folders if why_skip_folder(folder)]
        return any(
            _names(pattern[-1], name) or any(_names(segment, folder) for segment in pattern for folder in secret)
            for pattern in self._named
        )

    def _git_ignores(self, path: str) -> bool:
        """The nearest .gitignore with a matching pattern decides."""
        parts = path.rstrip("/").split("/")
        for depth in range(len(parts) - 1, -1, -1):
            folder = "/".join(parts[:depth])
            spec = self._learned.get(folder)
            if spec is not None:
                verdict = spec.check_file(path[len(folder) + 1 :] if folder else path).include
                if verdict is not None:
                    return verdict
        return False


def _names(segment: str, name: str) -> bool:
    """True if a pattern's segment matches a name by more than wildcards."""
    literal = any(char.isalnum() for char in segment)
    return literal and fnmatchcase(name.casefold(), segment.casefold())


def _spec(patterns: Sequence[str], field: str) -> GitIgnoreSpec | None:
    clean = [pattern.strip() for pattern in patterns if pattern.strip()]
    if not clean:
        return None
    try:
        return GitIgnoreSpec.from_lines(clean)
    except ValueError as bad:
        raise Invalid(
            f"{field} holds a pattern that cannot be read: {bad}",
            remedy="give patterns such as *.md or docs/**",
            details={"field": field},
        ) from bad
