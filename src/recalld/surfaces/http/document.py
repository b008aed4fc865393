"""The OpenAPI document, made by FastAPI from the handlers' own signatures when somebody asks for it.

Making it takes as long as the rest of the start: a server that nobody asks never pays.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_type_hints

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from recalld.surfaces.http.models.envelope import ErrorEnvelope, Model, envelope_of
from recalld.surfaces.http.route import Verb


def openapi(verbs: Sequence[Verb], *, title: str, version: str, summary: str) -> dict[str, Any]:
    """The document of these routes. Pure, and slow (half a second): call it on a pool."""
    _build(Model)
    served = [verb for verb in verbs if not verb.later]
    names = Counter(_name(verb) for verb in served)
    made = get_openapi(title=title, version=version, summary=summary, routes=[_route(verb, names) for verb in served])
    for verb in served:
        _ease(made["paths"][verb.path][verb.method.lower()], verb)
    return made


def _ease(operation: dict[str, Any], verb: Verb) -> None:
    """A body without a field that must be there may be left out: an empty one is read as ``{}``."""
    for hint in get_type_hints(verb.handler).values():
        if isinstance(hint, type) and issubclass(hint, Model) and "requestBody" in operation:
            operation["requestBody"]["required"] = any(f.is_required() for f in hint.model_fields.values())


def _build(model: type[Model]) -> None:
    """Finish every model: what FastAPI wraps around an unfinished one is finished too late, with a warning."""
    for below in model.__subclasses__():
        below.model_config["defer_build"] = False
        below.model_rebuild()
        _build(below)


def _name(verb: Verb) -> str:
    return f"{verb.tag}_{verb.handler.__name__}"


def _route(verb: Verb, names: Counter[str]) -> APIRoute:
    # Routes that share a handler are told apart by what differs between them.
    last = verb.path.rsplit("/", 1)[-1].strip("{}")
    name = _name(verb) if names[_name(verb)] == 1 else f"{_name(verb)}_{verb.method.lower()}_{last}"
    return APIRoute(
        verb.path,
        verb.handler,
        methods=[verb.method],
        summary=verb.summary,
        description=inspect.getdoc(verb.handler) or verb.summary,
        tags=[verb.tag],
        name=verb.handler.__name__,
        operation_id=name,
        status_code=verb.status,
        response_model=None,
        responses=_answers(verb),
        deprecated=verb.deprecated or None,
        openapi_extra=verb.extra,
    )


def _answers(verb: Verb) -> dict[int | str, dict[str, Any]]:
    failed: dict[str, Any] = {"model": ErrorEnvelope, "description": "Refused or failed; the code says why"}
    if verb.media != "application/json":
        return {200: {"description": "Bytes", "content": {verb.media: {}}}, "default": failed}
    model = verb.result if verb.bare else envelope_of(verb.result)
    return {verb.status: {"model": model, "description": "Done"}, "default": failed}
