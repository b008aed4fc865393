"""A unified diff of two texts with bounded running time."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from recalld.domain.errors import Invalid

FILE_BYTES_MAX = 10 * 1024 * 1024
DIFF_CHARS_MAX = 20 * 1024 * 1024
LINES_MAX = 100_000
COMPARED_MAX = 4_000_000
"""Lines before times lines after, without common prefix and suffix. Beyond it difflib could take minutes, so the part in
between is reported as one replacement."""
CONTEXT_LINES = 3

Blocks = list[tuple[str, int, int, int, int]]


def unified_diff(before: bytes | None, after: bytes | None, path: str) -> str:
    """Return the diff, "" if nothing differs; None: the file does not exist. Raises ``Invalid``: ``RESOURCE_EXHAUSTED``
    beyond the limits, and for anything but UTF-8."""
    a, b = _lines(before, path), _lines(after, path)
    if a == b and (before is None) == (after is None):
        return ""
    out = [
        f"--- {'/dev/null' if before is None else f'a/{path}'}\n",
        f"+++ {'/dev/null' if after is None else f'b/{path}'}\n",
    ]
    size = 0
    for line in _hunks(a, b):
        size += len(line)
        if size > DIFF_CHARS_MAX:
            raise _too_much(f"the difference of {path}", f"at most {DIFF_CHARS_MAX} characters")
        out.append(line)
    return "".join(out)


def _lines(data: bytes | None, path: str) -> list[str]:
    if data is None:
        return []
    if len(data) > FILE_BYTES_MAX:
        raise _too_much(path, f"at most {FILE_BYTES_MAX} bytes; read it with show instead")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as binary:
        raise Invalid(
            f"{path} is not UTF-8 text", remedy="read its bytes with show instead", details={"path": path}
        ) from binary
    # Not splitlines: only a line feed ends a line of a diff.
    lines = text.split("\n")
    whole = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    if len(whole) > LINES_MAX:
        raise _too_much(path, f"at most {LINES_MAX} lines; read it with show instead")
    return whole


def _too_much(what: str, limit: str) -> Invalid:
    return Invalid(f"{what} is too large to compare", remedy=limit, code="RESOURCE_EXHAUSTED")


def _hunks(a: list[str], b: list[str]) -> Iterator[str]:
    for group in _grouped(_blocks(a, b)):
        first, last = group[0], group[-1]
        yield f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@\n"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (_diff_line(" ", line) for line in a[i1:i2])
            else:
                yield from (_diff_line("-", line) for line in a[i1:i2])
                yield from (_diff_line("+", line) for line in b[j1:j2])


def _diff_line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


def _span(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _blocks(a: list[str], b: list[str]) -> Blocks:
    """Return ``difflib`` opcodes; the common prefix and suffix are not searched."""
    most = min(len(a), len(b))
    common_prefix = next((i for i in range(most) if a[i] != b[i]), most)
    common_suffix = next((i for i in range(most - common_prefix) if a[-1 - i] != b[-1 - i]), most - common_prefix)
    a_end, b_end = len(a) - common_suffix, len(b) - common_suffix
    blocks: Blocks = [("equal", 0, common_prefix, 0, common_prefix)] if common_prefix else []
    if (a_end - common_prefix) * (b_end - common_prefix) > COMPARED_MAX:
        blocks.append(("replace", common_prefix, a_end, common_prefix, b_end))
    else:
        found = difflib.SequenceMatcher(None, a[common_prefix:a_end], b[common_prefix:b_end]).get_opcodes()
        blocks += [
            (tag, i1 + common_prefix, i2 + common_prefix, j1 + common_prefix, j2 + common_prefix)
            for tag, i1, i2, j1, j2 in found
        ]
    return blocks + ([("equal", a_end, len(a), b_end, len(b))] if common_suffix else [])


def _grouped(blocks: Blocks) -> Iterator[Blocks]:
    """Group blocks into hunks with a few lines of context."""
    if not any(block[0] != "equal" for block in blocks):
        return
    group: Blocks = []
    for at, (tag, i1, i2, j1, j2) in enumerate(blocks):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        ends, begins = at == len(blocks) - 1, not group
        if not begins and (ends or i2 - i1 > 2 * CONTEXT_LINES):
            cut = min(CONTEXT_LINES, i2 - i1)
            group.append((tag, i1, i1 + cut, j1, j1 + cut))
            yield group
            group, begins = [], True
        if not ends:
            cut = min(CONTEXT_LINES, i2 - i1) if begins else i2 - i1
            group.append((tag, i2 - cut, i2, j2 - cut, j2))
    if group:
        yield group
