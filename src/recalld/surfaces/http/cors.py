"""Cross-origin answers for the origins in ``server.cors_origins``."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from recalld.domain.errors import Denied
from recalld.surfaces.http.errors import of_error
from recalld.surfaces.http.reply import failure


class Cors(CORSMiddleware):
    """Starlette's, with refused preflights in the envelope."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        refused = Denied(
            f"a page of {request_headers.get('origin', '')[:80]!r} may not ask this server in such a way",
            remedy="name its origin in server.cors_origins if it may",
            details={"header": "Origin"},
        )
        return failure(*of_error(refused))
