"""Fields of private values: references, values, removal."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Remove
from recalld.domain.errors import Denied, Invalid, NotFound
from recalld.domain.privacy import PrivacyConfig, PrivacyField
from recalld.domain.uri import Uri, bad_uri
from recalld.ports.bundle import Ports

from . import store

_OWN_DEPTH = 5
"""user, its name, privacy, category, key."""


@dataclass(frozen=True, slots=True)
class Selected:
    """The target of a reference: a document, and a field of it ("" = the whole document)."""

    uri: Uri
    field: str


def fields_of(uri: Uri, config: PrivacyConfig) -> tuple[PrivacyField, ...]:
    """Return the fields of the active version, in order, without their values."""
    return tuple(
        PrivacyField(name, f"{uri}/{quote(name, safe='')}", value not in (None, "", [], {}))
        for name, value in config.current.values.items()
    )


def field_of(uri: Uri, config: PrivacyConfig, name: str) -> PrivacyField:
    """Return a field; "" names the only one. Raises ``NotFound``, and ``Invalid`` if there are several."""
    found = [each for each in fields_of(uri, config) if not name or each.name == name]
    if len(found) > 1:
        raise Invalid(
            f"{'/'.join(uri.parts[3:])} has {len(found)} fields",
            remedy="name one of them",
            details={"fields": [each.name for each in found]},
        )
    if not found:
        raise NotFound(
            f"Privacy field not found: {'/'.join((*uri.parts[3:], name))}",
            remedy="list the fields of the version in force",
            details={"type": "privacy_field", "resource": f"{uri}/{quote(name, safe='')}"},
        )
    return found[0]


def selected(text: str, uri: Uri, caller: Caller) -> Selected:
    """Resolve a reference; ``uri`` is its address. Raises ``Denied`` for another user's and ``Invalid``."""
    parts = uri.parts
    if parts[:1] == ("user",) and len(parts) > 1 and parts[1] != caller.user:
        raise Denied(f"{uri} belongs to another user", remedy="private values are read by their owner alone")
    if len(parts) not in {_OWN_DEPTH, _OWN_DEPTH + 1} or parts[2] != "privacy":
        raise bad_uri(text, "it is not the address of private values: viking://~/privacy/category/key/field")
    return Selected(store.place_of(caller, parts[3], parts[4]), unquote(parts[5]) if len(parts) > _OWN_DEPTH else "")


async def remove(uri: Uri, caller: Caller, ports: Ports) -> None:
    """Delete a document with all its versions. Raises ``NotFound``."""
    await store.versions_of(uri, caller, ports)
    await ports.ledger.tenant(caller).commit(Commit((Remove(uri, recursive=True),)))
