"""Where the server is, for commands that only call it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from recalld.rules.encoding import settings_text
from recalld.surfaces.client import DEFAULT_URL

_FILE = Path("recalld.toml")


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The loopback address for each address that means every interface."""


def server_url(url: str = "") -> str:
    """``--url``, else ``RECALLD_URL``, else the address that ``recalld serve`` would take here (``RECALLD_SERVER__HOST`` and
    ``__PORT``, recalld.toml of this folder), else the usual one.

    Reads two keys by itself: the settings' machinery takes longer to load than most commands take to run.
    """
    named = url or os.environ.get("RECALLD_URL", "")
    if named:
        return named
    section = _section()
    host = os.environ.get("RECALLD_SERVER__HOST") or section.get("host")
    port = os.environ.get("RECALLD_SERVER__PORT") or section.get("port")
    if not host and not port:
        return DEFAULT_URL
    usual_host, _, usual_port = DEFAULT_URL.removeprefix("http://").partition(":")
    where = _EVERYWHERE.get(str(host), str(host or usual_host))
    return f"http://{f'[{where}]' if ':' in where else where}:{port or usual_port}"


def _section() -> dict[str, Any]:
    """The file's [server], {} if it cannot be read: ``recalld serve`` and ``recalld config`` report the error."""
    if not _FILE.is_file():
        return {}
    import tomllib

    try:
        found = tomllib.loads(settings_text(_FILE.read_bytes())).get("server", {})
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
