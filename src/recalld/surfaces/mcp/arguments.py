"""The arguments of the tools: one struct each, checked strictly, described by a flat JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from recalld.domain.errors import Invalid

Positive = Annotated[int, Meta(ge=1)]


class Arguments(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of one call. ``ALIASES``: other names that agents use for them."""

    ALIASES: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def canonical(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments under their own names."""
        return {cls.ALIASES.get(name, name): value for name, value in arguments.items()}


class _Query(Arguments, frozen=True):
    """Arguments that find and search share."""

    query: str
    target_uri: str = ""
    limit: Positive = 10
    level: list[int] | None = None
    context_type: list[str] | str | None = None
    all_hits: bool = False


class Find(_Query, frozen=True):
    """Arguments of find."""

    min_score: float = 0.35
    read_content: bool = False


class Search(_Query, frozen=True):
    """Arguments of search; those after ``mode`` shape a context block."""

    session_id: str | None = None
    min_score: float | None = None
    mode: Literal["list", "context"] = "list"
    query_expansion: Literal["auto", "off"] = "auto"
    max_tokens: Annotated[int, Meta(ge=64, le=32_000)] = 1600
    quotas: dict[str, int] | None = None
    purpose: Literal["chat", "coding"] | None = None
    detail: Literal["auto", "abstract", "overview", "full"] = "auto"
    detail_by_category: dict[str, str] | None = None
    dedup_turns: Annotated[int, Meta(ge=0, le=100)] = 0
    exclude_uris: Annotated[list[str], Meta(max_length=200)] | None = None
    peer_scope: Literal["all", "actor"] = "all"
    other_peer_penalty: float | None = None
    other_peer_penalties: dict[str, float] | None = None
    rewrite: Literal["off", "auto"] = "off"
    rewrite_max_bullets: Annotated[int, Meta(ge=1, le=20)] = 6


class Read(Arguments, frozen=True):
    """Arguments of read."""

    ALIASES: ClassVar[Mapping[str, str]] = {"uri": "uris", "path": "uris"}
    uris: list[str] | str
    offset: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=-1)] = -1


class List(Arguments, frozen=True):
    """Arguments of list."""

    uri: str
    recursive: bool = False
    node_limit: Positive = 1000


class Tree(Arguments, frozen=True):
    """Arguments of tree."""

    uri: str = "viking://"
    level_limit: Positive = 3
    node_limit: Positive = 1000
    include_abstract: bool = False


class Remember(Arguments, frozen=True):
    """Arguments of remember."""

    messages: list[dict[str, Any]]

    @classmethod
    def canonical(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """A single text, under any usual name, is a message of the user."""
        texts = [
            name
            for name in ("messages", "content", "text", "message", "memory")
            if isinstance(arguments.get(name), str)
        ]
        if not texts or str(arguments[texts[0]]).lstrip().startswith("["):
            return arguments
        rest = {name: value for name, value in arguments.items() if name not in {*texts, "role"}}
        return {**rest, "messages": [{"role": arguments.get("role") or "user", "content": arguments[texts[0]]}]}


class Write(Arguments, frozen=True):
    """Arguments of write."""

    uri: str
    content: str
    mode: Literal["replace", "append", "create"] = "replace"
    wait: bool = False
    timeout: float | None = None


class Edit(Arguments, frozen=True):
    """Arguments of edit."""

    uri: str
    old_string: str
    new_string: str
    replace_all: bool = False
    wait: bool = False
    timeout: float | None = None


class AddResource(Arguments, frozen=True):
    """Arguments of add_resource."""

    path: str = ""
    temp_file_id: str = ""
    add_type: str = ""
    description: str = ""
    watch_interval: float = 0
    processing_mode: str = ""
    to: str = ""
    parent: str = ""
    tags: list[str] | str | None = None
    tag_mode: str = ""
    args: dict[str, Any] | None = None


class AddSkill(Arguments, frozen=True):
    """Arguments of add_skill."""

    data: str = ""
    path: str = ""
    skills: list[str] | str | None = None
    target_uri: str = ""
    list_only: bool = False


class Download(Arguments, frozen=True):
    """Arguments of download."""

    uri: str


class Nothing(Arguments, frozen=True):
    """No arguments."""


class CancelWatch(Arguments, frozen=True):
    """Arguments of cancel_watch."""

    to_uri: str


class Grep(Arguments, frozen=True):
    """Arguments of grep."""

    uri: str
    pattern: list[str] | str
    case_insensitive: bool = False
    node_limit: Positive = 10


class Glob(Arguments, frozen=True):
    """Arguments of glob."""

    pattern: str
    uri: str = "viking://"
    node_limit: Positive = 100


class Forget(Arguments, frozen=True):
    """Arguments of forget."""

    uri: str
    recursive: bool = False


class History(Arguments, frozen=True):
    """Arguments of history."""

    uri: str = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 20
    before: Annotated[int, Meta(ge=0)] = 0


class Undo(Arguments, frozen=True):
    """Arguments of undo."""

    seq: Annotated[int, Meta(ge=1)] | None = None
    cause: str = ""
    dry_run: bool = False


class Restore(Arguments, frozen=True):
    """Arguments of restore."""

    uri: str
    at: str


def checked(kind: type[Arguments], arguments: dict[str, Any]) -> Arguments:
    """Return the arguments as their struct. Lenient where the meaning is clear: ``"5"`` and ``5.0`` for 5, null for an omitted
    argument, one value for a list of one, another usual name. Raises ``Invalid`` naming the argument.
    """
    fields = {one.name: one for one in msgspec.structs.fields(kind)}
    named = kind.canonical(arguments)
    known = {
        name: _as_list(value) if name in fields and _wants_list(fields[name].type, value) else value
        for name, value in named.items()
        if value is not None or name not in fields or fields[name].required
    }
    try:
        return msgspec.convert(known, kind, strict=False)
    except msgspec.ValidationError as bad:
        takes = ", ".join(f"{one.name}{'' if one.required else '?'}" for one in fields.values()) or "none"
        raise Invalid(f"the arguments do not fit: {bad}", remedy=f"this tool takes: {takes}") from bad


def _wants_list(hint: Any, value: object) -> bool:
    """Whether one value stands for a list, or a list is written as JSON text."""
    info = msgspec.inspect.type_info(hint)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    if isinstance(value, list | dict) or not any(isinstance(one, msgspec.inspect.ListType) for one in kinds):
        return False
    as_json = isinstance(value, str) and value.lstrip().startswith("[")
    return as_json or not any(isinstance(one, msgspec.inspect.StrType) for one in kinds)


def _as_list(value: object) -> object:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return [value]
    return [value]


def schema(kind: type[Arguments]) -> dict[str, Any]:
    """A schema without ``$ref`` and ``anyOf``. A union becomes its widest form: a list before an object before a text."""
    fields = msgspec.structs.fields(kind)
    properties: dict[str, Any] = {}
    for one in fields:
        shown = _flat(msgspec.json.schema(one.type))
        if one.default is not msgspec.NODEFAULT and one.default is not None:
            shown["default"] = one.default
        properties[one.name] = shown
    required = [one.name for one in fields if one.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _flat(full: dict[str, Any]) -> dict[str, Any]:
    """The widest form, recursively. An enumeration is a text and has no null."""
    forms: list[dict[str, Any]] = [form for form in full.get("anyOf", [full]) if form.get("type") != "null"]
    order = ("array", "object", "string", "number", "integer", "boolean")
    widest = min(forms, key=lambda form: order.index(form.get("type", "string")))
    chosen = dict(widest)
    if "enum" in chosen:
        words = [word for word in chosen["enum"] if word is not None]
        return {**chosen, "type": "string", "enum": words}
    for inner in ("items", "additionalProperties"):
        if isinstance(chosen.get(inner), dict) and chosen[inner]:
            chosen[inner] = _flat(chosen[inner])
    return chosen
