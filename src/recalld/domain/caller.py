"""Callers. A caller is bound to a storage handle once; operations never take a user as a filter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .errors import Invalid

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.@-]{1,128}")


class Role(StrEnum):
    """Rank of a caller: root > admin > user."""

    ROOT = "root"
    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Caller:
    """Account, user, role, and the peer whose view applies ("" = none)."""

    account: str = "default"
    user: str = "default"
    role: Role = Role.USER
    peer: str = ""

    def hides(self, parts: tuple[str, ...]) -> bool:
        """True for addresses in the tree of a peer other than the acting one."""
        mine = ("user", self.user, "peers")
        return bool(self.peer) and len(parts) > 3 and parts[:3] == mine and parts[3] != self.peer

    @property
    def sees_all(self) -> bool:
        """True if the caller sees every user's tree of the account. An admin manages users but does not see their
        data."""
        return self.role is Role.ROOT


def identifier(text: str, what: str) -> str:
    """Return an account, user or peer id if it is valid. Raises ``Invalid`` naming ``what``."""
    if not _IDENTIFIER.fullmatch(text) or text.count("@") > 1 or text in {".", ".."}:
        raise Invalid(
            f"{what} {text[:40]!r} is not an identifier",
            remedy="use letters, digits and _ . - with at most one @, up to 128 characters",
            details={"field": what},
        )
    if what == "account" and text.startswith("_"):
        raise Invalid(f"account {text[:40]!r} starts with _", remedy="names starting with _ are reserved")
    return text
