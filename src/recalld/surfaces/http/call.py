"""One request on its way: who asks, what the server has at hand, what the answer will carry beside its result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.requests import Request
from starlette.types import Receive, Scope

from recalld.app.config import ServerConfig
from recalld.domain.caller import Caller
from recalld.domain.errors import Closed
from recalld.domain.uri import Uri
from recalld.infra.offload import Pool
from recalld.rules.address import resolve
from recalld.surfaces.http.caller import dev_caller
from recalld.surfaces.http.tally import Tally

if TYPE_CHECKING:  # the port answers before the engine and its libraries are loaded
    from recalld.app.engine import Engine, Workspace

REQUEST_ID = "recalld.request_id"
"""Key of the request's id in the ASGI scope."""
ROUTE = "recalld.route"
"""Key of the matched route's pattern in the ASGI scope."""


@dataclass(slots=True)
class Front:
    """What all requests share. ``engine`` is None until the data folder is open.

    ``codec`` decodes and encodes what is large, ``disk`` receives uploads: a slow disk holds up no answer.
    """

    settings: ServerConfig
    codec: Pool
    disk: Pool
    engine: Engine | None = None
    tally: Tally = field(default_factory=Tally)

    def close(self) -> None:
        """Shut both pools; running calls end first."""
        self.codec.close()
        self.disk.close()


class Call(Request):
    """A request and what its handler needs. ``answer_headers`` are sent with the answer."""

    def __init__(self, scope: Scope, receive: Receive, *, front: Front, with_peer: bool) -> None:
        super().__init__(scope, receive)
        self.front = front
        self.answer_headers: dict[str, str] = {}
        self._with_peer = with_peer

    @property
    def id(self) -> str:
        """The request's id as the client gave it or as it was made."""
        given: str = self.scope.get(REQUEST_ID) or str(uuid4())
        return given

    @property
    def engine(self) -> Engine:
        """The open engine. Raises ``Closed`` while the data folder is still being opened."""
        if self.front.engine is None:
            raise Closed(
                "the store is still being opened", remedy="ask again in a second; GET /ready says when it is open"
            )
        return self.front.engine

    @cached_property
    def caller(self) -> Caller:
        """Raises ``Invalid`` for identifiers that are none."""
        return dev_caller(self.headers, with_peer=self._with_peer)

    @cached_property
    def workspace(self) -> Workspace:
        """All verbs as this request's caller."""
        return self.engine.as_caller(self.caller)

    def expand(self, uri: str) -> Uri:
        """The address a caller's words stand for, as answers echo it (``~`` and variables resolved)."""
        return resolve(uri, self.caller, time.time())

    def degraded(self, missing: Sequence[str]) -> None:
        """Say in a header which parts an answer had to do without."""
        if missing:
            self.answer_headers["X-Recalld-Degraded"] = ",".join(missing)
