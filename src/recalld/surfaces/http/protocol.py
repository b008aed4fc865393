"""HTTP/1.1 on a connection: uvicorn's protocol, and what it leaves out that our checks need."""

from __future__ import annotations

import re
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from recalld.surfaces.http.crossorigin import TARGET

_AUTHORITY = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?([^/?#]*)")


class Protocol(HttpToolsProtocol):
    """Tells the application whom an absolute request target names: it counts more than the Host header does."""

    def on_headers_complete(self) -> None:
        """All headers are there; the application is started."""
        if self.url[:1] not in {b"/", b"*"}:
            found = _AUTHORITY.match(self.url)
            scope = cast("dict[str, Any]", self.scope)
            scope[TARGET] = found[1] if found else self.url
        super().on_headers_complete()
