"""Permissions by role."""

from __future__ import annotations

import pytest

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Denied
from recalld.rules.roles import check_governs, check_root


@pytest.mark.parametrize(
    ("role", "account", "governs"),
    [
        (Role.ROOT, "other", True),
        (Role.ADMIN, "acme", True),
        (Role.ADMIN, "other", False),
        (Role.USER, "acme", False),
    ],
)
def test_root_governs_all_an_admin_its_own_a_user_nothing(role: Role, account: str, governs: bool) -> None:
    caller = Caller("acme", "ana", role)
    if governs:
        check_governs(caller, account)
    else:
        with pytest.raises(Denied):
            check_governs(caller, account)


def test_only_root_is_root() -> None:
    check_root(Caller(role=Role.ROOT))
    for role in (Role.ADMIN, Role.USER):
        with pytest.raises(Denied):
            check_root(Caller(role=role))


def test_only_root_sees_every_users_tree() -> None:
    assert [Caller(role=role).sees_all for role in Role] == [role is Role.ROOT for role in Role]
