"""Where a caller's imports and skills go when they are not told: a setting of each user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.uri import Uri
from recalld.ports.doors import Doors
from recalld.rules.address import import_root, resolve
from recalld.rules.settings import ADD_TARGETS, check_skill_root

RESOURCES = "viking://resources"


@dataclass(frozen=True, slots=True)
class Locations:
    """``override``: what the user has chosen (``resource_uri``, ``skill_uri``); the rest is what holds."""

    override: Mapping[str, str]
    resource_uri: str
    skill_uri: str


class LocationVerbs:
    """The caller's own setting."""

    def __init__(self, doors: Doors, caller: Caller) -> None:
        self._doors = doors
        self._caller = caller

    async def locations(self) -> Locations:
        """What holds now."""
        member = await self._doors.registry.member(self._caller.account, self._caller.user)
        chosen = dict(member.settings.get(ADD_TARGETS) or {}) if member is not None else {}
        skills = str(Uri(("user", self._caller.user, "skills")))
        return Locations(chosen, chosen.get("resource_uri", RESOURCES), chosen.get("skill_uri", skills))

    async def choose(self, changes: Mapping[str, str | None]) -> Locations:
        """Replace these; None takes one back. Raises ``Invalid`` for places that cannot hold what is added."""
        now, chosen = self._doors.clock.now(), dict((await self.locations()).override)
        for name, text in changes.items():
            if text is None:
                chosen.pop(name, None)
            elif name == "resource_uri":
                chosen[name] = str(import_root(text, self._caller, now, name))
            else:
                chosen[name] = str(check_skill_root(resolve(text, self._caller, now), self._caller))
        return await self._store(chosen)

    async def reset(self) -> Locations:
        """Take both back."""
        return await self._store({})

    async def _store(self, chosen: Mapping[str, str]) -> Locations:
        registry, (account, user) = self._doors.registry, (self._caller.account, self._caller.user)
        member = await registry.member(account, user)
        settings = {**(member.settings if member is not None else {}), ADD_TARGETS: dict(chosen)}
        await registry.set_settings(account, user, settings)
        return await self.locations()
