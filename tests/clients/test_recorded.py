"""Recorded exchanges of the published ``ov`` (``scripts/record_ov.py``) get the same answers today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.test_http_story import Client, client

__all__ = ["client"]

STEPS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "recorded" / "ov_privacy.json").read_text())
OWN = {"X-OpenViking-User": "ana"}


def timeless(value: Any) -> Any:
    """Without the moments at which things were made."""
    if isinstance(value, dict):
        return {k: "" if k in {"created_at", "updated_at"} else timeless(v) for k, v in value.items()}
    return [timeless(each) for each in value] if isinstance(value, list) else value


async def test_private_values_are_answered_as_they_were_accepted(client: Client) -> None:
    for step in STEPS:
        for one in step["requests"]:
            answer = await client.http.request(one["method"], one["path"], json=one["body"], headers=OWN)
            received = (answer.status_code, timeless(answer.json()))
            assert received == (one["status"], timeless(one["answer"])), step["command"]


def test_every_answer_was_accepted() -> None:
    assert [step["command"] for step in STEPS if step["exit"]] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/resolve", {"selector": "viking://user/eve/privacy/mail/work/token"}, "PERMISSION_DENIED"),
        ("POST", "/resolve", {"selector": "viking://~/memories/a/b/c"}, "INVALID_URI"),
        ("POST", "/resolve", {"selector": "viking://~/privacy/mail"}, "INVALID_URI"),
        ("POST", "/resolve", {"selector": "{{token}}"}, "INVALID_URI"),
        ("POST", "/resolve", {"selector": "viking://~/privacy/mail/work/no"}, "NOT_FOUND"),
        ("POST", "/resolve", {"selector": "viking://~/privacy/mail/work"}, "INVALID_ARGUMENT"),
        ("DELETE", "/selector", {"selector": "viking://~/privacy/mail/no"}, "NOT_FOUND"),
        ("DELETE", "/mail/work/field?field=no", None, "NOT_FOUND"),
        ("DELETE", "/mail/no", None, "NOT_FOUND"),
        ("GET", "/mail/work/field?field=no&reveal=true", None, "NOT_FOUND"),
        ("GET", "/mail/no/fields", None, "NOT_FOUND"),
        ("GET", "/tree?category=no", None, "NOT_FOUND"),
        ("PATCH", "/mail/work", {"values": {}, "colour": "red"}, "INVALID_ARGUMENT"),
        ("POST", "/scan", {"uri": "viking://resources", "fix": False, "node_limit": 1000}, "UNIMPLEMENTED"),
        ("PUT", "/mail/work/field", {"field": "token", "value": "x"}, "UNIMPLEMENTED"),
    ],
)
async def test_missing_and_foreign_values_are_refused(
    client: Client, method: str, path: str, body: dict[str, Any] | None, code: str
) -> None:
    at = "/privacy-configs/mail/work"
    await client("POST", at, json={"values": {"token": "hunter2", "host": "mx"}}, headers=OWN)
    before = await client("GET", at, headers=OWN)
    refused = await client.refused(method, f"/privacy-configs{path}", json=body, headers=OWN)
    assert refused[1] == code
    assert await client("GET", at, headers=OWN) == before


async def test_fields_are_named_without_their_values(client: Client) -> None:
    at = "/privacy-configs/mail/work"
    await client("POST", at, json={"values": {"a/b %": "hunter2", "empty": ""}}, headers=OWN)
    for path in ("/privacy-configs/tree", f"{at}/fields", f"{at}/field?field=empty"):
        assert "hunter2" not in json.dumps(await client("GET", path, headers=OWN))
    odd, empty = (await client("GET", f"{at}/fields", headers=OWN))["fields"]
    assert (odd["configured"], empty["configured"]) == (True, False)
    found = await client("POST", "/privacy-configs/resolve", json={"selector": odd["reference"]}, headers=OWN)
    assert (found["field"], found["value"]) == ("a/b %", "hunter2")
