"""Requests and results of /admin, /user-settings and /privacy-configs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, StrictInt

from recalld.surfaces.http.models.envelope import Model, Strict
from recalld.surfaces.http.models.session import Enabled, MemoryPolicy, Who


class AddTargets(Model):
    """Where imports and skills go by default."""

    model_config = ConfigDict(extra="forbid")

    resource_uri: str | None = None
    skill_uri: str | None = None


class UserConfig(Model):
    """Initial settings of a user."""

    model_config = ConfigDict(extra="forbid")

    add_targets: AddTargets | None = None
    memory_policy: MemoryPolicy | None = None


class KeyBody(Strict):
    """How to create the new key. ``seed``: derive it; default: random."""

    seed: str | None = None


class NewMember(KeyBody):
    """A member to create, and its first settings."""

    user_config: UserConfig | None = None


class AccountBody(NewMember):
    """An account to create, with its first admin. ``seed``: derive the key from it; default: a random key."""

    account_id: str
    admin_user_id: str


class UserBody(NewMember):
    """A user to create."""

    user_id: str
    role: Literal["user", "admin"] = "user"


class RoleBody(Strict):
    """A role: user or admin."""

    role: str


class UsersQuery(Model):
    """Which users to list."""

    limit: int = Field(100, ge=1, le=10_000)
    name: str = Field("", max_length=128, description="a pattern such as a*")
    role: Literal["", "user", "admin"] = ""
    after: str = Field("", max_length=128, description="only names after this one: the last of the previous page")


class AccountSettingsBody(Strict):
    """Settings of an account to replace. Null removes a setting."""

    agent_evolution: Enabled | None = None


class UserSettingsBody(Strict):
    """Settings of a user to replace. Null removes a setting."""

    memory_policy: MemoryPolicy | None


class AccountCreated(Model):
    """An account and its first admin. The key is not shown again."""

    account_id: str
    admin_user_id: str
    user_key: str


class AccountShown(Model):
    """An account."""

    account_id: str
    created_at: str
    user_count: int


class AccountDeleted(Model):
    """An account whose keys no longer work. A background task removes the rest."""

    deleted: bool
    account_id: str
    task_id: str


class UserCreated(Who):
    """A user. The key is not shown again; trusted mode has no key to show."""

    user_key: str | None = None


class UserShown(Who):
    """A user of an account. ``key_prefix``: the beginning of the key, to recognise it."""

    role: str
    created_at: str
    key_prefix: str
    status: Literal["active", "deleting"]


class UserDeleted(Who):
    """A user whose key no longer works. A background task removes the rest."""

    status: Literal["deleting"]
    task_id: str


class NewKey(Model):
    """A new key. It is not shown again."""

    user_key: str


class Evolution(Model):
    """Whether agent evolution is on."""

    enabled: bool


class AccountSettingsShown(Model):
    """The settings in force."""

    agent_evolution: Evolution


class AccountSettings(Model):
    """The settings of an account. ``overrides`` has those that are its own."""

    account_id: str
    settings: AccountSettingsShown
    overrides: dict[str, Any]


class UserSettings(Who):
    """The settings of a user."""

    memory_policy: dict[str, Any] | None


class LocationsBody(Strict, AddTargets):
    """Locations to set. Null restores the default."""


class Effective(Model):
    """The locations in force."""

    resource_uri: str
    skill_uri: str


class LocationsShown(Model):
    """The locations the user has set, and those in force."""

    override: dict[str, str]
    effective: Effective


class PrivacyBody(Strict):
    """Values of a document."""

    values: dict[str, Any]
    change_reason: str = ""
    labels: dict[str, str] | list[str] | None = None


class PrivacyPatch(PrivacyBody):
    """Values of some fields. The other fields keep theirs."""


class SelectorBody(Strict):
    """The address of a field or a document."""

    selector: str


class TreeQuery(Model):
    """Which category; default: all."""

    category: str = ""


class FieldQuery(Model):
    """Which field, and whether to return its value."""

    field: str
    reveal: bool = False


class PrivacyFieldResult(Model):
    """A field of the active version, without its value."""

    field: str
    configured: bool
    reference: str


class PrivacyPlace(Model):
    """The document that a result is about."""

    category: str
    target_key: str


class PrivacyFieldsResult(PrivacyPlace):
    """The fields of a document."""

    version: int
    fields: list[PrivacyFieldResult]


class PrivacyCategoryResult(Model):
    """The documents of a category."""

    category: str
    targets: list[PrivacyFieldsResult]


class PrivacyTreeResult(Model):
    """All documents with their fields."""

    categories: list[PrivacyCategoryResult]


class PrivacyRemovedResult(PrivacyPlace):
    """What was deleted: a field (``version`` is the first one without it), or a document."""

    field: str | None
    version: int | None
    deleted: bool


class ActivateBody(Strict):
    """The version to activate."""

    version: StrictInt = Field(ge=1, le=9_999)


class PrivacyMetaResult(PrivacyPlace):
    """Metadata of a document."""

    active_version: int
    latest_version: int
    labels: dict[str, str] | list[str] | None
    created_at: str
    updated_at: str


class PrivacyVersionResult(Model):
    """A version of a document."""

    version: int
    values: dict[str, Any]
    change_reason: str
    labels: dict[str, str] | list[str] | None
    created_at: str


class PrivacyResult(Model):
    """A document and its active version. ``values`` repeats that version's values, where ``ov`` expects them."""

    meta: PrivacyMetaResult
    current: PrivacyVersionResult
    values: dict[str, Any]


class PrivacyValueResult(PrivacyFieldResult, PrivacyPlace):
    """A field, with its value if requested."""

    version: int
    value: Any = None
