"""A recognisable key, the places where it may be, and the search for it elsewhere."""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

MARK = "MaRkEd9KeY7oF5tHe3HoUsE1"
KEY = f"{MARK}4lN0pQrS"
"""Of no known form, so that no pattern hides it: it has to be kept out."""
FAULTS = ("quotes 401", "quotes 500", "quotes 302", "quotes 400", "quotes 200", "garbage", "hang", "reset", "refused")
"""Each way a provider is broken; "refused": nobody listens there."""
_FORMS = tuple(
    form
    for form in {
        MARK,
        quote(MARK, safe=""),
        MARK.encode().hex(),
        # Whatever stands before it, one of three shifts of base64 holds it; its ends depend on the neighbours.
        *(base64.b64encode(b"x" * shift + MARK.encode())[4 if shift else 0 : -4].decode() for shift in range(3)),
    }
)


def leaks(text: str, *others: str) -> bool:
    """Whether the key stands in a text, plain or coded, or one of ``others``."""
    folded = text.casefold()
    return any(form.casefold() in folded for form in (*_FORMS, *others))


def leaking(folder: Path, *others: str) -> list[str]:
    """Files below a folder in whose name or bytes the key stands; zips are searched in what they hold."""
    return [str(path) for path in sorted(folder.rglob("*")) if _leaks(path, others)]


def _leaks(path: Path, others: Iterable[str]) -> bool:
    if not path.is_file():
        return leaks(path.name, *others)
    return any(leaks(path.name + data.decode("latin-1"), *others) for data in _contents(path))


def _contents(path: Path) -> Iterable[bytes]:
    yield path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
