"""The OpenAPI document, generated from the handlers' signatures at its first request.

Generating it takes as long as the rest of the start-up, so it is not done at start.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from recalld.surfaces.http.endpoint import Arguments, Endpoint
from recalld.surfaces.http.models.envelope import ErrorEnvelope, envelope_of

_JSON = "application/json"
_REF = "#/components/schemas/{model}"


def openapi_document(endpoints: Sequence[Endpoint], *, title: str, version: str, summary: str) -> dict[str, Any]:
    """Return the document of these routes. Slow (half a second): call it on a pool."""
    served = [(endpoint, Arguments(endpoint.handler)) for endpoint in endpoints if not endpoint.later]
    names = Counter(_name(endpoint) for endpoint, _ in served)
    types: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
        ("error", "serialization", TypeAdapter(ErrorEnvelope)),
    ]
    for endpoint, arguments in served:
        if arguments.body is not None:
            types.append(((endpoint.method, endpoint.path), "validation", TypeAdapter(arguments.body_hint)))
        if endpoint.media == _JSON:
            result = endpoint.result if endpoint.bare else envelope_of(endpoint.result)
            types.append(((endpoint.method, endpoint.path), "serialization", TypeAdapter(result)))
    schemas, shared = TypeAdapter.json_schemas(types, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, arguments in served:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, arguments, names, schemas)
    document: dict[str, Any] = _without_null(
        {
            "openapi": "3.1.0",
            "info": {"title": title, "summary": summary, "version": version},
            "paths": paths,
            "components": {"schemas": dict(sorted(shared["$defs"].items()))},
        }
    )
    return document


def _name(endpoint: Endpoint) -> str:
    return endpoint.operation.replace(".", "_")


def _operation(
    endpoint: Endpoint, arguments: Arguments, names: Counter[str], schemas: dict[tuple[Any, JsonSchemaMode], Any]
) -> dict[str, Any]:
    key, name = (endpoint.method, endpoint.path), _name(endpoint)
    if names[name] > 1:  # routes that share a handler get distinct names from the end of their paths
        last = endpoint.path.rsplit("/", 1)[-1].strip("{}")
        name = f"{name}_{endpoint.method.lower()}_{last}"
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": inspect.getdoc(endpoint.handler) or endpoint.summary,
        "operationId": name,
        "deprecated": endpoint.deprecated or None,
        "parameters": _parameters(arguments) or None,
    }
    if arguments.body is not None:
        # A body without required fields may be left out: an empty one is read as {}.
        required = any(field.is_required() for field in arguments.body.model_fields.values())
        content = {_JSON: {"schema": schemas[key, "validation"]}}
        operation["requestBody"] = {"content": content, "required": None if arguments.body_optional else required}
    json = endpoint.media == _JSON
    success = {_JSON: {"schema": schemas[key, "serialization"]}} if json else {endpoint.media: {}}
    failure = {_JSON: {"schema": schemas["error", "serialization"]}}
    operation["responses"] = {
        str(endpoint.status): {"description": "Done" if json else "Bytes", "content": success},
        "default": {"description": "Refused or failed; the code says why", "content": failure},
    }
    return operation | (endpoint.extra or {})


def _parameters(arguments: Arguments) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "title": name.replace("_", " ").title()},
        }
        for name in arguments.path
    ]
    if arguments.query is None:
        return found
    schema = arguments.query.model_json_schema(ref_template=_REF)
    required = schema.get("required", ())
    return found + [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": field,
            "description": field.get("description"),
        }
        for name, field in schema["properties"].items()
    ]


def _without_null(value: Any) -> Any:
    """Return a document without null members, such as the defaults of optional fields."""
    if isinstance(value, dict):
        return {name: _without_null(one) for name, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value
