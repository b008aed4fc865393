"""Skills and private values over HTTP, against a real engine."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from recalld.surfaces.http import privacy, skills
from recalld.surfaces.http.models.envelope import envelope_of
from tests.scenarios.test_http_story import API, Client, client, uploaded, zipped

__all__ = ["client"]

FORMS = """---
name: pdf-forms
description: Fills in tax declarations and other paper forms. Use when somebody hands you a questionnaire.
tags: [pdf]
allowed-tools: Bash(pdftk:*), Read
---

# Filling forms

Run scripts/fill.py.
"""
OWN = "viking://user/default/skills"
AGENT = "viking://agent/skills"


def skill(name: str, description: str = "Waters plants on the balcony.", body: str = "Do it.") -> str:
    return f"---\nname: {name}\ndescription: {description}\n---\n\n{body}\n"


async def validated(client: Client, method: str, path: str, pattern: str, **request: Any) -> Any:
    """A success, checked against the route's model."""
    answer = await client.http.request(method, API + path, **request)
    assert answer.status_code == 200, answer.text
    verbs = [v for v in (*skills.ENDPOINTS, *privacy.ENDPOINTS) if (v.method, v.path) == (method, API + pattern)]
    TypeAdapter(envelope_of(verbs[0].result)).validate_json(answer.content, strict=True)
    return answer.json()["result"]


async def names(client: Client, **query: Any) -> list[str]:
    return [s["name"] for s in (await client("GET", "/skills", params=query))["skills"]]


async def paths(client: Client, name: str) -> list[str]:
    shown = await validated(client, "GET", f"/skills/{name}", "/skills/{name}")
    return [f["path"] for f in shown["files"]]


async def test_a_skill_is_added_listed_found_shown_and_deleted(client: Client) -> None:
    added = await client("POST", "/skills", json={"data": FORMS})
    assert added["uri"] == f"{OWN}/pdf-forms"
    assert (added["status"], added["name"], added["auxiliary_files"]) == ("success", "pdf-forms", 0)
    task = await client("GET", f"/tasks/{added['task_id']}")
    assert (task["task_type"], task["status"], task["result"]["uri"]) == ("add_skill", "completed", added["uri"])

    listed = await client("GET", "/skills")
    assert listed["root_uris"] == [OWN, AGENT]
    assert listed["total"] == 1
    assert listed["skills"][0] == {
        "type": "skill",
        "name": "pdf-forms",
        "uri": f"{OWN}/pdf-forms",
        "root_uri": OWN,
        "skill_md_uri": f"{OWN}/pdf-forms/SKILL.md",
        "description": "Fills in tax declarations and other paper forms. Use when somebody hands you a questionnaire.",
        "tags": ["pdf"],
        "allowed_tools": ["Bash(pdftk:*)", "Read"],
    }

    found = await client("POST", "/skills/find", json={"query": "somebody gave me a tax questionnaire"})
    assert [s["name"] for s in found["skills"]] == ["pdf-forms"]
    assert found["skills"][0]["score"] > 0
    assert await client.found("tax questionnaire", context_type="skill") == [f"{OWN}/pdf-forms/SKILL.md"]

    shown = await validated(client, "GET", "/skills/pdf-forms", "/skills/{name}")
    assert shown["content"] == FORMS
    assert shown["content_sha256"] == hashlib.sha256(FORMS.encode()).hexdigest()

    gone = await validated(client, "DELETE", "/skills/pdf-forms", "/skills/{name}")
    assert (gone["uri"], gone["estimated_deleted_count"], gone["privacy_deleted"]) == (added["uri"], 2, False)
    assert await names(client) == []
    assert (await client("POST", "/skills/find", json={"query": "tax questionnaire"}))["skills"] == []
    assert await client.refused("GET", "/skills/pdf-forms") == (404, "NOT_FOUND")
    assert await client.refused("DELETE", "/skills/pdf-forms") == (404, "NOT_FOUND")


async def test_a_zip_brings_its_files_along_and_an_update_replaces_them_all(client: Client) -> None:
    first = {"pdf-forms/SKILL.md": FORMS, "pdf-forms/scripts/fill.py": "print(1)\n", "pdf-forms/notes/a.md": "# A\n"}
    sent = await uploaded(client, "pdf-forms.zip", zipped(first))
    added = await client("POST", "/skills", json={"temp_file_id": sent, "wait": True, "timeout": 60})
    assert added["auxiliary_files"] == 2
    assert set(added["queue_status"]) >= {"Semantic", "Embedding"}
    assert "task_id" not in added
    assert await client.refused("POST", "/skills", json={"temp_file_id": sent}) == (403, "PERMISSION_DENIED")

    shown = await validated(
        client, "GET", "/skills/pdf-forms", "/skills/{name}", params={"include_integrity": "true", "level": 1}
    )
    assert shown["content"] is None
    assert shown["overview"]
    assert {f["path"]: f["kind"] for f in shown["files"]} == {
        "SKILL.md": "skill",
        "notes": "directory",
        "notes/a.md": "reference",
        "scripts": "directory",
        "scripts/fill.py": "script",
    }
    whole = {f["path"]: f.get("sha256") for f in shown["files"]}
    assert whole["scripts/fill.py"] == hashlib.sha256(b"print(1)\n").hexdigest()

    # The second one has a file where the first had a folder.
    second = {"SKILL.md": FORMS + "More.\n", "notes": "now a file\n", "scripts/fill.py": "print(2)\n"}
    again = await uploaded(client, "x.zip", zipped(second))
    updated = await validated(client, "PUT", "/skills/pdf-forms", "/skills/{name}", json={"temp_file_id": again})
    assert updated["action"] == "update"
    assert await paths(client, "pdf-forms") == ["scripts", "scripts/fill.py", "SKILL.md", "notes"]
    assert await client("GET", "/content/read", params={"uri": f"{OWN}/pdf-forms/scripts/fill.py"}) == "print(2)\n"
    after = await client("GET", "/skills/pdf-forms", params={"include_integrity": "true"})
    assert after["revision"] != shown["revision"]


async def test_the_abstract_is_yaml_and_stays_it_when_tiers_are_refreshed(client: Client) -> None:
    await client("POST", "/skills", json={"data": FORMS, "wait": True})
    abstract = await client("GET", "/content/abstract", params={"uri": f"{OWN}/pdf-forms"})
    facts = yaml.safe_load(abstract)
    assert (facts["name"], facts["allowed_tools"]) == ("pdf-forms", ["Bash(pdftk:*)", "Read"])
    await client("POST", "/skills", json={"data": FORMS.replace("tags: [pdf]", "tags: [paper]"), "wait": True})
    abstract = await client("GET", "/content/abstract", params={"uri": f"{OWN}/pdf-forms"})
    assert yaml.safe_load(abstract)["tags"] == ["paper"]
    overview = await client("GET", "/content/overview", params={"uri": f"{OWN}/pdf-forms"})
    assert "not ready" not in overview


async def test_an_update_keeps_the_name_and_needs_the_skill(client: Client) -> None:
    await client("POST", "/skills", json={"data": skill("one")})
    assert await client.refused("PUT", "/skills/one", json={"data": skill("two")}) == (400, "INVALID_ARGUMENT")
    assert await client.refused("PUT", "/skills/two", json={"data": skill("two")}) == (404, "NOT_FOUND")
    assert await names(client) == ["one"]


async def test_ones_own_skills_come_before_the_agents_and_are_other_users_business(client: Client) -> None:
    await client("POST", "/skills", json={"data": skill("shared"), "target_uri": AGENT})
    await client("POST", "/skills", json={"data": skill("own")})
    await client("POST", "/skills", json={"data": skill("shared", "Mine.")})
    assert await names(client) == ["own", "shared", "shared"]
    assert await names(client, target_uri=AGENT) == ["shared"]
    assert (await client("GET", "/skills", params={"target_uri": AGENT}))["root_uri"] == AGENT
    assert await names(client, node_limit=1) == ["own"]
    mine = await client("GET", "/skills/shared")
    assert (mine["root_uri"], mine["description"]) == (OWN, "Mine.")
    theirs = await client("GET", "/skills/shared", params={"target_uri": AGENT})
    assert theirs["root_uri"] == AGENT
    found = await client("POST", "/skills/find", json={"query": "water the plants", "target_uri": AGENT})
    assert [s["uri"] for s in found["skills"]] == [f"{AGENT}/shared"]

    ana = {"headers": {"X-OpenViking-User": "ana"}}
    assert [s["uri"] for s in (await client("GET", "/skills", **ana))["skills"]] == [f"{AGENT}/shared"]
    assert await client.refused("GET", "/skills/own", **ana) == (404, "NOT_FOUND")
    for place in ("viking://resources", f"{OWN}/deeper", "viking://user", "nonsense"):
        answer = await client.refused("GET", "/skills", params={"target_uri": place})
        assert answer == (400, "INVALID_URI")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_ARGUMENT"),
        ({"data": "# nothing", "temp_file_id": "x"}, "SKILL_INVALID"),
        ({"data": "# no front matter"}, "SKILL_INVALID"),
        ({"data": {"name": "a"}}, "SKILL_INVALID"),
        ({"data": 7}, "INVALID_ARGUMENT"),
        ({"data": skill("a"), "colour": "red"}, "INVALID_ARGUMENT"),
        ({"temp_file_id": "../../etc/passwd"}, "INVALID_ARGUMENT"),
        ({"data": skill("a"), "target_uri": "viking://resources"}, "INVALID_URI"),
        ({"data": skill("a"), "source_metadata": {"x": "y" * 20_000}}, "INVALID_ARGUMENT"),
    ],
)
async def test_invalid_skills_are_refused_and_leave_nothing(client: Client, body: Any, code: str) -> None:
    assert await client.refused("POST", "/skills", json=body) == (400, code)
    assert await names(client) == []


async def test_an_archive_without_or_with_several_skills_is_refused(client: Client) -> None:
    for files in ({"readme.md": "# x"}, {"a/SKILL.md": skill("a"), "b/SKILL.md": skill("b")}):
        sent = await uploaded(client, "x.zip", zipped(files))
        assert await client.refused("POST", "/skills", json={"temp_file_id": sent}) == (400, "SKILL_INVALID")
    assert await names(client) == []


async def test_one_file_and_an_object_are_skills_too(client: Client) -> None:
    sent = await uploaded(client, "forms.md", FORMS.encode())
    assert (await client("POST", "/skills", json={"temp_file_id": sent}))["name"] == "pdf-forms"
    data = {"name": "weather", "description": "Tells the weather.", "content": "Ask."}
    source = {"git": "x"}
    await client("POST", "/skills", json={"data": data, "source_metadata": source})
    shown = await client("GET", "/skills/weather", params={"include_source": "true", "include_files": "false"})
    assert shown["source"] == source
    assert "files" not in shown
    assert "Ask." in shown["content"]


async def test_a_hand_written_skill_is_listed_by_its_front_matter(client: Client) -> None:
    uri = f"{AGENT}/manual/SKILL.md"
    await client("POST", "/content/write", json={"uri": uri, "content": skill("manual", "Bakes bread.")})
    await client("POST", "/content/write", json={"uri": f"{AGENT}/broken/SKILL.md", "content": "no front matter"})
    listed = (await client("GET", "/skills"))["skills"]
    assert [(s["name"], s["description"]) for s in listed] == [("broken", ""), ("manual", "Bakes bread.")]


async def test_skills_go_where_their_user_has_chosen(client: Client) -> None:
    await client("PATCH", "/user-settings/add-locations", json={"skill_uri": AGENT})
    assert (await client("POST", "/skills", json={"data": FORMS}))["uri"] == f"{AGENT}/pdf-forms"
    body = {"data": FORMS, "target_uri": "viking://~/skills"}
    assert (await client("POST", "/skills", json=body))["uri"] == f"{OWN}/pdf-forms"


async def test_a_skill_is_judged_without_being_stored(client: Client) -> None:
    fine = await client("POST", "/skills/validate", json={"data": FORMS})
    assert (fine["valid"], fine["errors"], fine["uri"]) == (True, [], f"{OWN}/pdf-forms")
    odd = {"data": skill("a"), "skill_dir_name": "b"}
    assert (await client("POST", "/skills/validate", json=odd))["valid"]
    strict = await client("POST", "/skills/validate", json={**odd, "strict": True})
    assert (strict["valid"], strict["errors"][0]["code"]) == (False, "folder_name")
    bad = await client("POST", "/skills/validate", json={"data": "---\nname: a b\n---\n"})
    assert not bad["valid"]
    assert {e["field"] for e in bad["errors"]} == {"name", "description"}
    assert await names(client) == []


async def test_private_values_are_kept_in_versions(client: Client) -> None:
    at = "/privacy-configs/skill/pdf-forms"
    one = "/privacy-configs/{category}/{key}"
    assert await client("GET", "/privacy-configs") == []
    assert await client.refused("GET", at) == (404, "NOT_FOUND")
    assert await client.refused("GET", "/privacy-configs/skill") == (404, "NOT_FOUND")
    assert await client.refused("POST", f"{at}/activate", json={"version": 1}) == (404, "NOT_FOUND")
    first = await validated(client, "POST", at, one, json={"values": {"token": "hunter2"}, "labels": {"by": "ana"}})
    assert (first["meta"]["active_version"], first["current"]["values"]) == (1, {"token": "hunter2"})
    second = await validated(
        client, "POST", at, one, json={"values": {"token": "swordfish"}, "change_reason": "leaked"}
    )
    assert (second["meta"]["latest_version"], second["meta"]["labels"]) == (2, {"by": "ana"})
    assert await client("GET", f"{at}/versions") == [1, 2]
    old = await validated(client, "GET", f"{at}/versions/1", one + "/versions/{number}")
    assert old["values"] == {"token": "hunter2"}
    back = await validated(client, "POST", f"{at}/activate", one + "/activate", json={"version": 1})
    assert (back["meta"]["active_version"], back["meta"]["latest_version"]) == (1, 2)
    assert await validated(client, "GET", at, one) == back
    assert await client("GET", "/privacy-configs") == ["skill"]
    assert await client("GET", "/privacy-configs/skill") == ["pdf-forms"]
    for number in ("3", "0", "x", "-1", "9" * 30):
        assert await client.refused("GET", f"{at}/versions/{number}") == (404, "NOT_FOUND")
    assert await client.refused("POST", f"{at}/activate", json={"version": 3}) == (404, "NOT_FOUND")
    assert await client.refused("GET", at, headers={"X-OpenViking-User": "ana"}) == (404, "NOT_FOUND")
    third = await client("POST", at, json={"values": {}})
    assert third["meta"]["active_version"] == 3


async def test_private_values_are_never_found(client: Client) -> None:
    at = "/privacy-configs/mail/work"
    await client("POST", at, json={"values": {"password": "hunter2"}, "change_reason": "hunter2"})
    await client.settled()
    for level in ([0], [1], [2]):
        assert await client.found("hunter2 password work mail", level=level, score_threshold=0) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/privacy-configs/tree/x", {"values": {}}),
        ("/privacy-configs/a%20b/x", {"values": {}}),
        ("/privacy-configs/..%2f/x", {"values": {}}),
        ("/privacy-configs/a/.b", {"values": {}}),
        ("/privacy-configs/a/b", {"values": []}),
        ("/privacy-configs/a/b", {"values": {}, "colour": "red"}),
        ("/privacy-configs/a/b/activate", {"version": "1"}),
    ],
)
async def test_private_values_under_no_name_are_refused(client: Client, path: str, body: Any) -> None:
    status, code = await client.refused("POST", path, json=body)
    assert (status, code) in {(400, "INVALID_ARGUMENT"), (404, "NOT_FOUND")}
    assert await client("GET", "/privacy-configs") == []


async def test_values_too_large_are_refused(client: Client) -> None:
    body = {"values": {"x": "y" * 70_000}}
    assert await client.refused("POST", "/privacy-configs/a/b", json=body) == (413, "RESOURCE_EXHAUSTED")


async def test_with_a_skill_go_the_private_values_kept_for_it(client: Client) -> None:
    await client("POST", "/skills", json={"data": FORMS})
    await client("POST", "/privacy-configs/skill/pdf-forms", json={"values": {"a": "b"}})
    await client("POST", "/privacy-configs/skill/other", json={"values": {"a": "b"}})
    gone = await client("DELETE", "/skills/pdf-forms")
    assert (gone["privacy_deleted"], gone["estimated_deleted_count"]) == (True, 2)
    assert await client.refused("GET", "/privacy-configs/skill/pdf-forms") == (404, "NOT_FOUND")
    assert await client("GET", "/privacy-configs/skill") == ["other"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/scan"), ("PUT", "/a/b/field")],
)
async def test_unimplemented_routes_answer_501(client: Client, method: str, path: str) -> None:
    assert await client.refused(method, f"/privacy-configs{path}") == (501, "UNIMPLEMENTED")
