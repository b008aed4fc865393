"""/privacy-configs: a user's private values, in versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from recalld.app.privacy import PrivacyVerbs
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.privacy import PrivacyConfig
from recalld.surfaces.http.call import Call
from recalld.surfaces.http.models.privacy import ActivateBody, PrivacyBody, PrivacyResult, PrivacyVersionResult
from recalld.surfaces.http.route import Verb

_AT = "/api/v1/privacy-configs"
_ONE = f"{_AT}/{{category}}/{{key}}"
_DIGITS_MAX = 9


async def categories(call: Call) -> list[str]:
    """The categories in which the caller keeps private values."""
    return await call.workspace.verbs(PrivacyVerbs).categories()


async def targets(call: Call, category: str) -> list[str]:
    """The keys of a category."""
    return await call.workspace.verbs(PrivacyVerbs).targets(category)


async def config(call: Call, category: str, key: str) -> dict[str, Any]:
    """The values in force, and what is known of them."""
    return _shown(await call.workspace.verbs(PrivacyVerbs).config(category, key))


async def versions(call: Call, category: str, key: str) -> list[int]:
    """The versions there are, oldest first."""
    return await call.workspace.verbs(PrivacyVerbs).versions(category, key)


async def version(call: Call, category: str, key: str, number: str) -> dict[str, Any]:
    """One version."""
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX):
        raise NotFound(
            f"Privacy config version not found: {number[:40]}", remedy="versions are numbers, from 1", details={}
        )
    return asdict(await call.workspace.verbs(PrivacyVerbs).version(category, key, int(number)))


async def upsert(call: Call, category: str, key: str, body: PrivacyBody) -> dict[str, Any]:
    """Store values as a new version and put it in force."""
    kept = await call.workspace.verbs(PrivacyVerbs).upsert(
        category, key, body.values, change_reason=body.change_reason, labels=body.labels
    )
    return _shown(kept)


async def activate(call: Call, category: str, key: str, body: ActivateBody) -> dict[str, Any]:
    """Put another version in force."""
    return _shown(await call.workspace.verbs(PrivacyVerbs).activate(category, key, body.version))


async def later(call: Call) -> dict[str, Any]:
    """Not served: values are read and written by category and key."""
    raise Invalid(
        "Private values are not walked, resolved, scanned or changed field by field here",
        remedy=f"read them with GET {_AT}/{{category}}/{{key}} and send them whole with POST",
        code="UNIMPLEMENTED",
    )


def _shown(kept: PrivacyConfig) -> dict[str, Any]:
    meta = kept.meta
    return {
        "meta": {
            "category": meta.category,
            "target_key": meta.key,
            "active_version": meta.active,
            "latest_version": meta.latest,
            "labels": meta.labels,
            "created_at": meta.created_at,
            "updated_at": meta.updated_at,
        },
        "current": asdict(kept.current),
    }


VERBS = (
    Verb("GET", f"{_AT}/tree", later, dict[str, Any], "Walk all values (501)", later=True),
    Verb("POST", f"{_AT}/resolve", later, dict[str, Any], "Resolve placeholders (501)", later=True),
    Verb("POST", f"{_AT}/scan", later, dict[str, Any], "Scan for values (501)", later=True),
    Verb("GET", f"{_ONE}/field", later, dict[str, Any], "Read one field (501)", later=True),
    Verb("PUT", f"{_ONE}/field", later, dict[str, Any], "Change one field (501)", later=True),
    Verb("DELETE", f"{_ONE}/field", later, dict[str, Any], "Remove one field (501)", later=True),
    Verb("GET", _AT, categories, list[str], "List categories of private values"),
    Verb("GET", f"{_AT}/{{category}}", targets, list[str], "List the keys of a category"),
    Verb("GET", _ONE, config, PrivacyResult, "Read private values"),
    Verb("POST", _ONE, upsert, PrivacyResult, "Store private values"),
    Verb("GET", f"{_ONE}/versions", versions, list[int], "List versions"),
    Verb("GET", f"{_ONE}/versions/{{number}}", version, PrivacyVersionResult, "Read a version"),
    Verb("POST", f"{_ONE}/activate", activate, PrivacyResult, "Put a version in force"),
)
