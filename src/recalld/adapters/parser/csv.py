"""Tables as text: header, number of rows, first row."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice

from recalld.domain.document import Document
from recalld.ports.plugin import Plugin
from recalld.rules.encoding import decode
from recalld.rules.lines import split_lines
from recalld.rules.media import media_type

_DELIMITERS = (",", ";", "\t", "|")
_HEAD_CHARS = 65_536


@dataclass(frozen=True, slots=True)
class CsvSettings:
    """``columns_max``: number of listed column names."""

    columns_max: int = 60


class CsvParser:
    """The source is the text; the names in the header row are its symbols."""

    suffixes: tuple[str, ...] = (".csv", ".tsv")
    names: tuple[str, ...] = ()

    def __init__(self, settings: CsvSettings | None = None) -> None:
        self._settings = settings or CsvSettings()

    def parse(self, name: str, data: bytes) -> Document:
        """Return facts ``shape`` ("CSV table of 120 rows"), ``columns``, ``first row``. Rows are counted by lines."""
        decoded = decode(data)
        media = media_type(name)
        warnings = [decoded.warning] if decoded.warning else []
        head = decoded.text[:_HEAD_CHARS]
        header: list[str] = []
        first: list[str] = []
        try:
            rows = list(islice(csv.reader(split_lines(head, keep_ends=True), delimiter=_delimiter(head)), 2))
            header = [cell.strip()[:80] for cell in rows[0][: self._settings.columns_max]] if rows else []
            first = [cell.strip()[:80] for cell in rows[1][: self._settings.columns_max]] if len(rows) > 1 else []
        except csv.Error as bad:
            warnings.append(f"kept as text: {bad}")
        lines = decoded.text.count("\n") + (not decoded.text.endswith("\n") and bool(decoded.text))
        count = max(0, lines - 1)
        shape = f"{'TSV' if name.lower().endswith('.tsv') else 'CSV'} table of {count} row{'' if count == 1 else 's'}"
        facts = {"shape": shape, "columns": ", ".join(header), "first row": ", ".join(first)}
        return Document(
            media=media,
            text=decoded.text,
            symbols=tuple(cell for cell in header if cell),
            facts={key: value for key, value in facts.items() if value},
            warnings=tuple(warnings),
        )


def _delimiter(head: str) -> str:
    line = head.split("\n", 1)[0]
    return max(_DELIMITERS, key=lambda mark: (line.count(mark), -_DELIMITERS.index(mark)))


plugin = Plugin(kind="parser", name="csv", settings=CsvSettings, make=CsvParser)
