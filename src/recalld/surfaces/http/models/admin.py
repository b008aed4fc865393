"""Requests and results of /admin and /user-settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from recalld.surfaces.http.models.envelope import Model, Strict
from recalld.surfaces.http.models.session import Enabled, MemoryPolicy


class AddTargets(Model):
    """Where imports and skills go when they are not told."""

    model_config = ConfigDict(extra="forbid")

    resource_uri: str | None = None
    skill_uri: str | None = None


class UserConfig(Model):
    """Settings a user begins with."""

    model_config = ConfigDict(extra="forbid")

    add_targets: AddTargets | None = None
    memory_policy: MemoryPolicy | None = None


class AccountBody(Strict):
    """An account to make, with its first admin. ``seed``: what the key's secret is derived from; left out, it is random."""

    account_id: str
    admin_user_id: str
    seed: str | None = None
    user_config: UserConfig | None = None


class UserBody(Strict):
    """A user to make."""

    user_id: str
    role: Literal["user", "admin"] = "user"
    seed: str | None = None
    user_config: UserConfig | None = None


class RoleBody(Strict):
    """A role to give: user or admin."""

    role: str


class KeyBody(Strict):
    """How the new key's secret is made."""

    seed: str | None = None


class UsersQuery(Model):
    """Which users to list."""

    limit: int = Field(100, ge=1, le=10_000)
    name: str = Field("", max_length=128, description="a pattern such as a*")
    role: Literal["", "user", "admin"] = ""
    after: str = Field("", max_length=128, description="only names after this one, the last of the page before")


class AccountSettingsBody(Strict):
    """Settings of an account to replace; null takes one back."""

    agent_evolution: Enabled | None = None


class UserSettingsBody(Strict):
    """Settings of a user to replace; null takes one back."""

    memory_policy: MemoryPolicy | None


class AccountMade(Model):
    """An account and its first admin. The key is shown this once."""

    account_id: str
    admin_user_id: str
    user_key: str


class AccountShown(Model):
    """An account."""

    account_id: str
    created_at: str
    user_count: int


class AccountGone(Model):
    """An account that nobody can come into any more; the rest of it is removed in the background."""

    deleted: bool
    account_id: str
    task_id: str


class UserMade(Model):
    """A user. The key is shown this once; in trusted mode there is none to show."""

    account_id: str
    user_id: str
    user_key: str | None = None


class UserShown(Model):
    """A user of an account. ``key_prefix``: enough of the key to tell it from another."""

    account_id: str
    user_id: str
    role: str
    created_at: str
    key_prefix: str
    status: Literal["active", "deleting"]


class UserGone(Model):
    """A user who cannot come in any more; the rest is removed in the background."""

    account_id: str
    user_id: str
    status: Literal["deleting"]
    task_id: str


class KeyMade(Model):
    """A new key, shown this once."""

    user_key: str


class Evolution(Model):
    """Whether an account's agents evolve."""

    enabled: bool


class AccountSettingsShown(Model):
    """What holds in an account."""

    agent_evolution: Evolution


class AccountSettings(Model):
    """An account's settings, and which of them are its own."""

    account_id: str
    settings: AccountSettingsShown
    overrides: dict[str, Any]


class UserSettings(Model):
    """A user's settings."""

    account_id: str
    user_id: str
    memory_policy: dict[str, Any] | None


class LocationsBody(Strict):
    """Places to choose; null takes one back."""

    resource_uri: str | None = None
    skill_uri: str | None = None


class Effective(Model):
    """Where things go that are not told."""

    resource_uri: str
    skill_uri: str


class LocationsShown(Model):
    """What was chosen, and what holds."""

    override: dict[str, str]
    effective: Effective
