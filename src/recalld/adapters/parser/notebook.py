"""Jupyter notebooks: text and code of the cells, and plain-text outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recalld.rules.blocks import without_base64
from recalld.rules.inline_markup import plain_markdown

OUTPUT_CHARS_MAX = 2_000
"""Characters per output: tables and logs are not the subject of a notebook."""


@dataclass(frozen=True, slots=True)
class Notebook:
    """``text``: all cells in order; ``title``: the first heading; ``summary``: the first paragraph of prose."""

    text: str
    title: str
    summary: str
    cells: int


def read_notebook(root: Any) -> Notebook | None:
    """Return a notebook's content (format 3 and 4); None for other JSON."""
    cells = _cells(root)
    if cells is None:
        return None
    texts: list[str] = []
    title = summary = ""
    for cell in cells:
        source = without_base64(_joined(cell.get("source", cell.get("input"))))
        texts.append(source)
        if cell.get("cell_type") in {"markdown", "heading"}:
            heading, prose = _heading_and_prose(source)
            title, summary = title or heading, summary or prose
        texts.extend(_outputs(cell))
    return Notebook("\n\n".join(text for text in texts if text.strip()), title[:120], summary[:600], len(cells))


def _cells(root: Any) -> list[Mapping[str, Any]] | None:
    if not isinstance(root, Mapping) or "nbformat" not in root:
        return None
    held = root.get("cells")
    if held is None and isinstance(root.get("worksheets"), list):
        held = [cell for sheet in root["worksheets"] if isinstance(sheet, Mapping) for cell in sheet.get("cells") or ()]
    return [cell for cell in held if isinstance(cell, Mapping)] if isinstance(held, list) else None


def _heading_and_prose(source: str) -> tuple[str, str]:
    heading = prose = ""
    for line in source.split("\n"):
        if line.startswith("#") and not heading:
            heading = plain_markdown(line.lstrip("# "))
        elif line.strip() and not line.startswith(("#", "!", "|", "```")) and not prose:
            prose = plain_markdown(line)
    return heading, prose


def _outputs(cell: Mapping[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, Mapping):
            continue
        data = output.get("data")
        held = data.get("text/plain") if isinstance(data, Mapping) else output.get("text")
        text = _joined(held) or " ".join(str(output.get(key) or "") for key in ("ename", "evalue")).strip()
        if text:
            yield without_base64(text)[:OUTPUT_CHARS_MAX]


def _joined(held: Any) -> str:
    if isinstance(held, list):
        return "".join(one for one in held if isinstance(one, str))
    return held if isinstance(held, str) else ""
