"""``python -m recalld``: the command line, and the way a server starts its worker."""

from __future__ import annotations

import importlib
import sys

INTERRUPTED = 130


def main() -> int:
    """Run a command. ``work`` goes straight to the worker, which has no use for a command line in its memory."""
    if sys.argv[1:2] == ["work"]:
        return int(importlib.import_module("recalld.app.worker_process").main(sys.argv[2:]) or 0)
    try:
        return int(importlib.import_module("recalld.surfaces.cli.main").main() or 0)
    except KeyboardInterrupt:  # before the command line was there to end quietly
        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
