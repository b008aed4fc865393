"""Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
Labels = Mapping[str, str]
NONE: Labels = {}


class Exposition:
    """Lines of one answer. Each family is written once, with all its samples."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, says: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Values that rise and fall."""
        self._family(name, "gauge", says, samples)

    def counter(self, name: str, says: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Values that only rise; by custom ``name`` ends in ``_total``."""
        self._family(name, "counter", says, samples)

    def histogram(
        self, name: str, says: str, bounds: Sequence[float], samples: Iterable[tuple[Labels, Sequence[int], float]]
    ) -> None:
        """Each sample: labels, counts per bucket (the last one beyond all ``bounds``), and the sum of what was counted."""
        self._head(name, "histogram", says)
        for labels, buckets, total in samples:
            count = 0
            for bound, inside in zip((*bounds, math.inf), buckets, strict=True):
                count += inside
                self._line(f"{name}_bucket", {**labels, "le": _number(bound)}, count)
            self._line(f"{name}_sum", labels, total)
            self._line(f"{name}_count", labels, count)

    def text(self) -> str:
        """The answer."""
        return "\n".join(self._lines) + "\n"

    def _family(self, name: str, kind: str, says: str, samples: Iterable[tuple[Labels, float]]) -> None:
        self._head(name, kind, says)
        for labels, value in samples:
            self._line(name, labels, value)

    def _head(self, name: str, kind: str, says: str) -> None:
        self._lines += [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]

    def _line(self, name: str, labels: Labels, value: float) -> None:
        label_text = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
        self._lines.append(f"{name}{{{label_text}}} {_number(value)}" if label_text else f"{name} {_number(value)}")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
