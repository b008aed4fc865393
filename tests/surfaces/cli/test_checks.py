"""The findings of each check of ``recalld doctor``."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from recalld.app.config import ServerConfig, load_config
from recalld.surfaces.cli import checks
from recalld.surfaces.cli.checks import FAIL, OK, WARN
from tests.fakes.provider import provider


def _gives(free: int) -> str:
    return checks.disk_space(Path("/"), lambda path: free).level


def test_an_old_python_fails() -> None:
    assert checks.python_version((3, 10, 9)).level == FAIL
    assert checks.python_version((3, 11, 0)).level == OK


def test_a_clock_from_before_this_program_fails() -> None:
    assert checks.clock(lambda: 0.0, lambda: 1.0).level == FAIL
    assert checks.clock(lambda: checks.NOT_BEFORE + 1, lambda: 1.0).level == OK


def test_a_monotonic_clock_that_runs_backwards_fails() -> None:
    times = iter((2.0, 1.0))
    assert checks.clock(lambda: checks.NOT_BEFORE + 1, lambda: next(times)).level == FAIL


def test_little_space_warns_and_none_fails() -> None:
    assert (_gives(10**12), _gives(checks.DISK_FREE_WARN - 1), _gives(checks.DISK_FREE_MIN - 1)) == (OK, WARN, FAIL)


def test_a_folder_that_is_not_there_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    assert checks.permissions(tmp_path / "a" / "b").level == OK
    assert not (tmp_path / "a").exists()


def test_a_server_that_lets_every_page_in_without_a_key_warns() -> None:
    every = {"cors_origins": ("*",)}
    assert checks.callers(ServerConfig(**every)).level == WARN
    assert checks.callers(ServerConfig(**every, root_api_key="k")).level == OK
    shown = checks.callers(ServerConfig(cors_origins=("app://obsidian.md",)))
    assert (shown.level, "app://obsidian.md" in shown.text) == (OK, True)


def test_a_world_writable_folder_warns(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o777)
    assert checks.permissions(tmp_path / "store").level == WARN


def test_a_file_in_the_folders_place_fails(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("x")
    assert checks.permissions(tmp_path / "store").level == FAIL


def test_durable_writes_are_timed_and_leave_nothing_behind(tmp_path: Path) -> None:
    assert "ms a durable write" in checks.disk_speed(tmp_path).text
    assert list(tmp_path.iterdir()) == []


def test_a_port_used_by_something_else_fails() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = load_config(None, server={"port": taken.getsockname()[1]})
        assert checks.port(config, "http://127.0.0.1:1", None).level == FAIL


@pytest.mark.parametrize(("state", "level"), [("ready", OK), ("degraded", WARN)])
def test_a_running_server_is_taken_at_its_word(state: str, level: str) -> None:
    found = checks.port(load_config(None), "http://x", {"status": "ready", "state": state, "reasons": ["worker: dead"]})
    assert found.level == level


def test_a_store_not_made_yet_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    config = load_config(None, data=tmp_path / "store")
    assert checks.store(config.folder, config, None).level == OK
    assert list(tmp_path.iterdir()) == []


def test_no_model_by_choice_is_no_fault() -> None:
    assert checks.model(load_config(None, embedder={"provider": "none"})).level == OK


def test_every_failed_check_has_a_remedy(tmp_path: Path) -> None:
    found = [
        checks.python_version((3, 10, 0)),
        checks.clock(lambda: 0.0, lambda: 1.0),
        checks.disk_space(tmp_path, lambda path: 0),
        checks.port(load_config(None), "http://x", {"status": "not_ready"}),
    ]
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(("fault", "level"), [("ok", OK), ("401", FAIL), ("garbage", FAIL)])
async def test_reranker_and_language_model_are_called_once(fault: str, level: str) -> None:
    async with provider(fault=fault, says=lambda _: '{"abstract": "A note.", "overview": ""}') as fake:
        config = load_config(
            None,
            reranker={"provider": "tei", "base_url": fake.url},
            model={"provider": "openai", "base_url": fake.url, "model": "m"},
        )
        found = await asyncio.to_thread(checks.model_checks, config)
    assert [(one.name, one.level) for one in found] == [("reranker", level), ("writer", level)]
    assert all(one.remedy for one in found if one.level != OK)


def test_unconfigured_providers_are_not_called() -> None:
    assert checks.model_checks(load_config(None)) == []


def test_the_space_set_aside_is_named_and_that_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(b"x" * 16_000_000)
    found = checks.disk_space(tmp_path, lambda path: 10**12)
    assert (found.level, "16 MB set aside" in found.text) == (OK, True)
    (tmp_path / "reserve").write_bytes(b"")
    found = checks.disk_space(tmp_path, lambda path: 10**12)
    assert (found.level, "is used" in found.text) == (WARN, True)
