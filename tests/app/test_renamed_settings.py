"""Old names of settings: they work from every source, with a warning."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

import pytest

from recalld.app.config import Config, load_config
from recalld.app.plugins import load_all
from recalld.app.renamed_settings import RENAMED
from recalld.domain.errors import Invalid

NAMES = [(section, old, new) for section, names in RENAMED.items() for old, new in names.items()]
FILE = "[server]\none_processor = false\n[embedder]\nkind = 'none'\n"


@pytest.mark.parametrize(("section", "old", "new"), NAMES)
def test_the_new_name_exists_and_the_old_one_does_not(section: str, old: str, new: str) -> None:
    known = set(type(getattr(Config(), section)).model_fields)
    if section in {"embedder", "reranker", "model"}:
        known.update(*(inspect.signature(plugin.settings).parameters for plugin in load_all(section)))
    assert (new in known, old in known) == (True, False)


@pytest.mark.parametrize("source", ["file", "environment", "arguments"])
def test_an_old_name_works_with_a_warning(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("RECALLD_EMBEDDER__PROVIDER", raising=False)
    path, arguments = tmp_path / "recalld.toml", dict[str, Any]()
    path.write_text(FILE if source == "file" else "", encoding="utf-8")
    if source == "environment":
        monkeypatch.setenv("RECALLD_SERVER__ONE_PROCESSOR", "false")
        monkeypatch.setenv("RECALLD_EMBEDDER__KIND", "none")
    if source == "arguments":
        arguments = {"server": {"one_processor": False}, "embedder": {"kind": "none"}}
    with caplog.at_level(logging.WARNING):
        config = load_config(path, **arguments)
    assert (config.server.pin_cpu, config.embedder.provider) == (False, "none")
    assert config.embedder.options() == {}
    assert [record.getMessage() for record in caplog.records] == [
        "the setting server.one_processor is deprecated: use server.pin_cpu",
        "the setting embedder.kind is deprecated: use embedder.provider",
    ]


@pytest.mark.parametrize("source", ["file", "environment", "arguments"])
def test_both_names_in_one_source_are_an_error(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, arguments = tmp_path / "recalld.toml", dict[str, Any]()
    path.write_text("[worker]\nstuck_s = 9\nheartbeat_timeout_s = 9\n" if source == "file" else "", encoding="utf-8")
    if source == "environment":
        monkeypatch.setenv("RECALLD_WORKER__STUCK_S", "9")
        monkeypatch.setenv("RECALLD_WORKER__HEARTBEAT_TIMEOUT_S", "9")
    if source == "arguments":
        arguments = {"worker": {"stuck_s": 9, "heartbeat_timeout_s": 9}}
    with pytest.raises(Invalid, match=r"worker\.stuck_s is the old name of worker\.heartbeat_timeout_s"):
        load_config(path, **arguments)


def test_a_source_overrides_the_old_name_of_a_weaker_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recalld.toml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("RECALLD_EMBEDDER__PROVIDER", "hash")
    config = load_config(path, server={"pin_cpu": True})
    assert (config.server.pin_cpu, config.embedder.provider) == (True, "hash")
