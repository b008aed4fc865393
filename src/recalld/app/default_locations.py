"""Operations on the user's setting of where imports and skills go by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recalld.domain.uri import Uri
from recalld.rules.address import import_root
from recalld.rules.settings import ADD_TARGETS, check_skill_root

from .operations import Operations

RESOURCES = "viking://resources"


@dataclass(frozen=True, slots=True)
class Locations:
    """Where imports and skills go. ``override``: what the user has chosen of the two (``resource_uri``, ``skill_uri``)."""

    override: Mapping[str, str]
    resource_uri: str
    skill_uri: str


class LocationOperations(Operations):
    """The default locations of a caller."""

    async def get(self) -> Locations:
        """Return the locations in force."""
        member = await self._ports.registry.member(self.caller.account, self.caller.user)
        return self._in_force(member.settings if member is not None else {})

    async def set(self, changes: Mapping[str, str | None]) -> Locations:
        """Set locations; None restores the default.

        Raises ``Invalid`` for a location that cannot hold imports or skills.
        """
        now = self._ports.clock.now()
        chosen: dict[str, str | None] = {}
        for name, text in changes.items():
            if text is None:
                chosen[name] = None
            elif name == "resource_uri":
                chosen[name] = str(import_root(text, self.caller, now, name))
            else:
                chosen[name] = str(check_skill_root(self._uri(text), self.caller))
        return await self._change(chosen, ADD_TARGETS)

    async def reset(self) -> Locations:
        """Restore the defaults."""
        return await self._change({ADD_TARGETS: None})

    async def _change(self, changes: Mapping[str, str | None], within: str = "") -> Locations:
        account, user = self.caller.account, self.caller.user
        return self._in_force(await self._ports.registry.change_settings(account, user, changes, within=within))

    def _in_force(self, settings: Mapping[str, Any]) -> Locations:
        chosen = dict(settings.get(ADD_TARGETS) or {})
        skills = str(Uri(("user", self.caller.user, "skills")))
        return Locations(chosen, chosen.get("resource_uri", RESOURCES), chosen.get("skill_uri", skills))
