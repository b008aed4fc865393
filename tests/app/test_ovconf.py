"""An OpenViking configuration, converted to ours."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from recalld.app.config import Config, load_config
from recalld.app.ovconf import is_ovconf, settings_of
from recalld.domain.errors import Invalid

HERE = Path("ov.conf")


def read(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    return settings_of(json.dumps(document), HERE)


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "ov.conf"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_shared_settings_are_taken_over(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """{
          "server": {"host": "127.0.0.1", "port": 2933, "auth_mode": "dev", "cors_origins": ["http://localhost:3000",],},
          "storage": {"workspace": "/srv/viking"},
          "log": {"level": "WARNING"},
        }""",
    )
    assert (config.server.port, config.server.auth_mode) == (2933, "dev")
    assert config.server.cors_origins == ("http://localhost:3000",)
    assert (config.data, config.log.level) == (Path("/srv/viking"), "warning")


def test_the_format_follows_from_the_content_not_the_name(tmp_path: Path) -> None:
    assert is_ovconf('\ufeff\n {"server": {}}')
    assert not is_ovconf('[server]\nhost = "{"\n')
    path = tmp_path / "recalld.toml"
    path.write_text('{"server": {"port": 7}}', encoding="utf-8")
    assert load_config(path).server.port == 7


def test_arguments_and_environment_still_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ov.conf"
    path.write_text('{"server": {"port": 7}}', encoding="utf-8")
    monkeypatch.setenv("RECALLD_SERVER__PORT", "8")
    assert load_config(path).server.port == 8
    assert load_config(path, server={"port": 9}).server.port == 9


def test_commas_inside_texts_stay() -> None:
    values, _ = settings_of('{"storage": {"workspace": "/a,}b\\",]c",},}', HERE)
    assert values == {"data": '/a,}b",]c'}


def test_variables_stand_for_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OV_PORT", "4000")
    monkeypatch.setenv("OV_KEY", "s3cret")
    values, _ = read({"server": {"port": "${OV_PORT}", "root_api_key": "x-${OV_KEY}"}, "vlm": {"api_key": "${UNSET}"}})
    assert values["server"] == {"port": "4000", "root_api_key": "x-s3cret"}
    monkeypatch.delenv("OV_KEY")
    with pytest.raises(Invalid, match=r"server\.root_api_key names the environment variable OV_KEY"):
        read({"server": {"root_api_key": "${OV_KEY}"}})


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"serverr": {}}, "serverr"),
        ({"server": {"prot": 1}}, "server.prot"),
        ({"storage": {"worksapce": "x"}}, "storage.worksapce"),
        ({"embedding": {"dnse": {}}}, "embedding.dnse"),
    ],
)
def test_a_key_the_original_does_not_know_is_refused_by_its_name(document: dict[str, Any], key: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(document)
    assert refused.value.details["keys"] == [key]
    assert key in refused.value.message


def test_a_key_that_has_no_effect_is_named_once_and_its_value_is_not() -> None:
    document = {
        "server": {"workers": 4, "port": 1, "public_base_url": None},
        "vlm": {"api_key": "hush"},
        "enable_watch_scheduler": False,
        "log": {"output": "stdout"},
    }
    _, notes = read(document)
    assert notes == [
        f"{key} has no effect here" for key in ("server.workers", "vlm.api_key", "enable_watch_scheduler", "log.output")
    ]


def test_the_log_gets_one_line_for_each(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "recalld.config"):
        loaded(tmp_path, '{"server": {"workers": 2}, "git": {"enabled": true}}')
    assert [r.getMessage() for r in caplog.records] == [
        "ov.conf: server.workers has no effect here",
        "ov.conf: git has no effect here",
    ]


@pytest.mark.parametrize(
    ("dense", "ours"),
    [
        (
            {
                "provider": "openai",
                "model": "m",
                "api_key": "k",
                "api_base": "http://x/v1",
                "dimension": 8,
                "batch_size": 4,
            },
            {
                "provider": "openai",
                "model": "m",
                "api_key": "k",
                "base_url": "http://x/v1",
                "dimensions": 8,
                "batch_texts_max": 4,
            },
        ),
        (
            {"provider": "ollama", "model": "bge-m3"},
            {"provider": "openai", "model": "bge-m3", "base_url": "http://127.0.0.1:11434/v1"},
        ),
        ({"provider": "Jina", "api_key": "k"}, {"provider": "jina", "api_key": "k"}),
    ],
)
def test_an_embedder_both_have_is_taken_over(dense: dict[str, Any], ours: dict[str, Any]) -> None:
    values, notes = read({"embedding": {"dense": dense}})
    assert (values, notes) == ({"embedder": ours}, [])


def test_an_embedder_we_do_not_have_is_named_and_ours_stays() -> None:
    values, notes = read({"embedding": {"dense": {"provider": "volcengine", "model": "doubao"}, "max_concurrent": 4}})
    assert values == {}
    assert [note.split(" ")[0] for note in notes] == [
        "embedding.dense.provider",
        "embedding.dense.model",
        "embedding.max_concurrent",
    ]


def test_a_reranker_by_its_whole_endpoint_is_taken_over() -> None:
    endpoint = "https://rerank.example/compatible-api/v1/reranks"
    values, notes = read({"rerank": {"provider": "openai", "api_key": "k", "api_base": endpoint, "model": "m"}})
    assert values == {"reranker": {"provider": "openai", "api_key": "k", "base_url": endpoint, "model": "m"}}
    assert notes == []


def test_a_reranker_both_have_is_taken_over() -> None:
    values, _ = read({"rerank": {"provider": "cohere", "api_key": "k", "model": "rerank-v3.5", "threshold": 0.1}})
    assert values == {"reranker": {"provider": "cohere", "api_key": "k", "model": "rerank-v3.5"}}


@pytest.mark.parametrize("text", ['{"server": ', '{"server": 1}', "{1}"])
def test_a_syntax_error_is_refused_with_its_position(text: str) -> None:
    with pytest.raises(Invalid, match=r"ov\.conf"):
        settings_of(text, HERE)


def test_a_value_that_does_not_fit_is_refused_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"server\.port"):
        loaded(tmp_path, '{"server": {"port": 99999}}')


def test_a_language_model_is_taken_over(tmp_path: Path) -> None:
    values, notes = read({"vlm": {"provider": "ollama", "model": "qwen2.5:7b", "max_concurrent": 32}})
    assert values["model"] == {"provider": "openai", "model": "qwen2.5:7b", "base_url": "http://127.0.0.1:11434/v1"}
    assert notes == ["vlm.max_concurrent has no effect here"]
    values, notes = read({"vlm": {"provider": "volcengine", "model": "m"}})
    assert "model" not in values
    assert "vlm.provider volcengine is not known here" in notes[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_toml_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "recalld.toml").write_bytes('data = "/somewhere"\r\n'.encode(encoding))
    assert str(load_config(tmp_path / "recalld.toml").data) == "/somewhere"


def test_that_every_page_may_ask_is_not_taken_over(tmp_path: Path) -> None:
    values, notes = settings_of('{"server": {"cors_origins": ["*", "https://a.example"]}}', HERE)
    assert values["server"]["cors_origins"] == ["https://a.example"]
    assert [note for note in notes if "cors_origins *" in note]
    assert loaded(tmp_path, '{"server": {"cors_origins": ["*"]}}').server.cors_origins == ()


def test_the_public_address_is_taken_over(tmp_path: Path) -> None:
    config = loaded(tmp_path, '{"server": {"public_base_url": "https://mem.example/"}}')
    assert config.server.public_url == "https://mem.example"
