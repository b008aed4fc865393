"""The settings that a worker receives, and those it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from recalld.app import supervisor
from recalld.app.config import Config, load_config
from recalld.domain.errors import Conflict, Invalid
from recalld.infra.ipc import Method, protocol_version

KEY, ROOT = "sk-provider-key", "root-key-of-all"


def config(**more: Any) -> Config:
    embedder = {"provider": "openai", "api_key": KEY, "model": "m", "dimensions": 8}
    return load_config(None, data=Path("some/where"), server={"root_api_key": ROOT}, embedder=embedder, **more)


def test_the_worker_has_the_providers_keys_and_not_the_root_key() -> None:
    packed = supervisor.encode_settings(config())
    assert ROOT.encode() not in packed
    there = supervisor.decode_settings(packed)
    assert there.embedder.options() == {"api_key": KEY, "model": "m", "dimensions": 8}
    assert there.server.root_api_key is None
    assert there.folder == Path("some/where").absolute()


def test_settings_of_every_section_arrive() -> None:
    settings = config(worker={"nice": 3}, session={"tool_output_inline_chars_max": 7}, log={"format": "json"})
    there = supervisor.decode_settings(supervisor.encode_settings(settings))
    assert (there.worker, there.session, there.log) == (settings.worker, settings.session, settings.log)


def test_all_secrets_are_known() -> None:
    assert supervisor.secret_values(config()) == {KEY, ROOT}


@pytest.mark.parametrize(
    "embedder",
    [
        {"provider": "openai", "api_key": KEY},
        {"provider": "mine", "secret_token": KEY},
        {"provider": "openai", "base_url": f"http://me:{KEY}@host/v1"},
    ],
)
def test_no_print_of_the_settings_shows_a_key(embedder: dict[str, Any]) -> None:
    settings = Config(embedder=embedder)
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.model_dump())
    assert KEY in str(settings.embedder.options())


def test_settings_that_are_no_secrets_stay_readable() -> None:
    settings = Config(embedder={"provider": "openai", "batch_tokens_max": 7, "base_url": "http://host/v1"})
    assert settings.embedder.model_extra == {"batch_tokens_max": 7, "base_url": "http://host/v1"}


@pytest.mark.parametrize("section", ["embedder", "server"])
def test_a_refused_setting_does_not_quote_a_key(section: str) -> None:
    values: dict[str, Any] = {"embedder": {"provider": ["a"], "api_key": KEY}, "server": {"port": "x", "root_key": KEY}}
    with pytest.raises(Invalid) as refused:
        load_config(None, **{section: values[section]})
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("other", ["0" * 64, None])
def test_a_worker_refuses_a_server_of_another_version(other: str | None) -> None:
    greeting = {**orjson.loads(supervisor.encode_settings(config())), "protocol": other}
    with pytest.raises(Conflict, match="another version") as refused:
        supervisor.decode_settings(orjson.dumps(greeting))
    assert refused.value.remedy == "restart the server"


def test_a_method_with_another_parameter_makes_another_protocol() -> None:
    one, other = (Method("purge", parameters, int) for parameters in ((int,), (int, str)))
    assert protocol_version([one]) == protocol_version([one]) != protocol_version([other])
