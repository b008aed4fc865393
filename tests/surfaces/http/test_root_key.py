"""Routes that accept the root key."""

from __future__ import annotations

import pytest

from recalld.surfaces.http.auth import is_admin_path, root_key_may

OPEN = """
GET /api/v1/system/status
POST /api/v1/system/wait
GET /api/v1/debug/health
POST /api/v1/system/backend/sync-status
GET /api/v1/system/sync/a
GET /api/v1/admin/accounts
DELETE /api/v1/admin/accounts/acme
GET /api/v1/observer/queue
GET /api/v1/console/audit
GET /api/v1/tasks
GET /api/v1/tasks/1
POST /api/v1/log/purge
"""
SHUT = """
GET /api/v1/fs/ls
POST /api/v1/search/find
GET /api/v1/content/read
POST /api/v1/sessions
POST /api/v1/pack/backup
GET /api/v1/administration
GET /api/v1/tasksy
GET /api/v1/debug/vector/scroll
POST /api/v1/system/consistency
POST /api/v1/tasks/1/cancel
GET /api/v1/log
POST /api/v1/log/undo
GET /
"""


@pytest.mark.parametrize("line", OPEN.strip().splitlines())
def test_the_root_key_administers_the_server(line: str) -> None:
    assert root_key_may(*line.split())


@pytest.mark.parametrize("line", SHUT.strip().splitlines())
def test_the_root_key_opens_no_tenants_data(line: str) -> None:
    assert not root_key_may(*line.split())


def test_admin_paths_are_told_by_whole_words() -> None:
    assert is_admin_path("/api/v1/admin/accounts")
    assert is_admin_path("/api/v1/admin")
    assert not is_admin_path("/api/v1/admins")
