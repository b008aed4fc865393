"""Default targets of a caller's imports and skills: a setting of each user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import import_root, resolve
from recalld.rules.settings import ADD_TARGETS, check_skill_root

RESOURCES = "viking://resources"


@dataclass(frozen=True, slots=True)
class Locations:
    """``override``: the user's choice (``resource_uri``, ``skill_uri``); the other fields are the effective targets."""

    override: Mapping[str, str]
    resource_uri: str
    skill_uri: str


class LocationOperations:
    """The caller's own setting."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    async def locations(self) -> Locations:
        """Return the effective targets."""
        member = await self._ports.registry.member(self._caller.account, self._caller.user)
        return self._holding(member.settings if member is not None else {})

    async def choose(self, changes: Mapping[str, str | None]) -> Locations:
        """Replace these targets; None resets one. Raises ``Invalid`` for targets that cannot hold such entries."""
        now = self._ports.clock.now()
        chosen: dict[str, str | None] = {}
        for name, text in changes.items():
            if text is None:
                chosen[name] = None
            elif name == "resource_uri":
                chosen[name] = str(import_root(text, self._caller, now, name))
            else:
                chosen[name] = str(check_skill_root(resolve(text, self._caller, now), self._caller))
        return await self._change(chosen, ADD_TARGETS)

    async def reset(self) -> Locations:
        """Reset both targets."""
        return await self._change({ADD_TARGETS: None})

    async def _change(self, changes: Mapping[str, str | None], within: str = "") -> Locations:
        account, user = self._caller.account, self._caller.user
        return self._holding(await self._ports.registry.change_settings(account, user, changes, within=within))

    def _holding(self, settings: Mapping[str, Any]) -> Locations:
        chosen = dict(settings.get(ADD_TARGETS) or {})
        skills = str(Uri(("user", self._caller.user, "skills")))
        return Locations(chosen, chosen.get("resource_uri", RESOURCES), chosen.get("skill_uri", skills))
