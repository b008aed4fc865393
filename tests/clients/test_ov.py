"""The published ``ov`` binary against a running server: the quick start, sessions, skills, packs and its error codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.running import Ran, client, run
from tests.live import Server

pytestmark = pytest.mark.clients
MANUAL = "viking://resources/manual"
PUMP = f"{MANUAL}/pump.md"
TEXT = "# Pump\n\nThe pump must be oiled each morning.\n"
SKILL = "---\nname: brew-tea\ndescription: Brew tea the way Ana likes it\ntags: [tea]\n---\n\nWarm the pot first.\n"


class Ov:
    """The binary with a home of its own. A call answers its ``result``; ``refused`` its error."""

    def __init__(self, port: int, home: Path) -> None:
        self.home = home
        self._binary = str(client("ov") / "openviking" / "bin" / "ov")
        home.mkdir(exist_ok=True)
        settings = {"url": f"http://127.0.0.1:{port}", "account": "default", "user": "ana", "timeout": 60}
        self._settings = home / "ovcli.conf"
        self._settings.write_text(json.dumps(settings))
        assert self.run("language", "en").exit == 0

    def run(self, *words: str) -> Ran:
        return run([self._binary, *words], self.home, OPENVIKING_CLI_CONFIG_FILE=str(self._settings))

    def __call__(self, *words: str) -> Any:
        ran = self.run("-o", "json", *words)
        assert ran.exit == 0, f"ov {' '.join(words)}: {ran.out}{ran.err}"
        payload = self.payload_of(ran)
        assert payload.get("ok", True) is True
        return payload.get("result")

    def refused(self, *words: str) -> tuple[int, str]:
        ran = self.run("-o", "json", *words)
        return ran.exit, str(self.payload_of(ran)["error"]["code"])

    @staticmethod
    def payload_of(ran: Ran) -> dict[str, Any]:
        """The JSON line among what it printed."""
        lines = [line for line in (ran.out + ran.err).splitlines() if line.startswith("{")]
        assert lines, f"no JSON: {ran.out}{ran.err}"
        return dict(json.loads(lines[-1]))


@pytest.fixture(scope="module")
def ov(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Ov:
    """With a directory already added."""
    ov = Ov(server.port, tmp_path_factory.mktemp("ov") / "home")
    (ov.home / "manual" / "src").mkdir(parents=True)
    (ov.home / "manual" / "pump.md").write_text(TEXT)
    (ov.home / "manual" / "src" / "oil.py").write_text("def oil():\n    return 'oiled'\n")
    added = ov("add-resource", "manual", "--wait")
    assert (added["status"], added["root_uri"]) == ("success", MANUAL)
    return ov


def test_the_server_is_seen_healthy(ov: Ov) -> None:
    assert ov("health")["healthy"] is True
    assert ov("system", "status") == {"initialized": True, "user": "ana"}
    assert ov("status")["is_healthy"] is True


@pytest.mark.parametrize("what", ["queue", "vikingdb", "models", "retrieval", "filesystem", "system"])
def test_every_observer_answers(ov: Ov, what: str) -> None:
    assert ov("observer", what)["is_healthy"] is True


def test_its_settings_are_valid(ov: Ov) -> None:
    ran = ov.run("config", "validate")
    assert ran.exit == 0
    assert "accepted" in ran.out


def test_files_are_added_in_place_and_waited_for(ov: Ov) -> None:
    (ov.home / "hand.md").write_text("# Handbook\n\nRefunds take thirty days.\n")
    added = ov("add-resource", "hand.md", "--to", "viking://resources/rules/hand")
    assert added["task_id"]
    assert isinstance(ov("wait"), dict)
    task = ov("task", "status", added["task_id"])
    assert (task["task_type"], task["status"]) == ("add_resource", "completed")
    assert added["task_id"] in [one["task_id"] for one in ov("task", "list", "--task-type", "add_resource")]
    assert "thirty" in ov("read", "viking://resources/rules/hand/hand.md")


def test_the_tree_is_listed(ov: Ov) -> None:
    assert MANUAL in [entry["uri"] for entry in ov("ls", "viking://resources")]
    assert {"pump.md", "src", "src/oil.py"} <= {entry["rel_path"] for entry in ov("tree", MANUAL)}
    assert ov.run("ls", "viking://resources").exit == 0  # as a table
    assert ov("stat", PUMP)["isDir"] is False


def test_added_resources_are_found(ov: Ov) -> None:
    assert PUMP in [hit["uri"] for hit in ov("find", "how often must the pump be oiled")["resources"]]
    assert PUMP in [hit["uri"] for hit in ov("find", "pump", "-u", MANUAL, "-n", "3", "-L", "2")["resources"]]
    assert ov("search", "pump oiled")["total"] > 0
    assert ov("find", "pump", "--after", "7d")["total"] > 0
    assert {m["uri"] for m in ov("grep", "OILED", "-u", MANUAL, "-i")["matches"]} == {PUMP, f"{MANUAL}/src/oil.py"}
    assert ov("glob", "**/*.py", "-u", MANUAL)["matches"] == [f"{MANUAL}/src/oil.py"]


def test_tiers_and_texts_are_read(ov: Ov) -> None:
    assert ov("read", PUMP) == TEXT
    assert 0 < len(ov("abstract", MANUAL)) <= 256
    assert "pump" in ov("overview", MANUAL).lower()
    assert ov.run("-o", "json", "get", PUMP, "copy.md").exit == 0
    assert (ov.home / "copy.md").read_text() == TEXT


def test_texts_are_written_tagged_moved_copied_and_removed(ov: Ov) -> None:
    directory = "viking://resources/made"
    assert ov("mkdir", directory, "--description", "Things made by hand")["uri"] == directory
    assert ov("write", f"{directory}/a.md", "--content", "hello", "--mode", "create", "--wait")["mode"] == "create"
    ov("write", f"{directory}/a.md", "--content", " again", "--append")
    assert ov("read", f"{directory}/a.md") == "hello again"
    assert ov("set-tags", f"{directory}/a.md", "--tags", "kind=note")["success_count"] == 1
    assert ov("attrs", "get", f"{directory}/a.md")["attrs"]["tags"] == ["kind=note"]
    assert ov("mv", f"{directory}/a.md", f"{directory}/b.md")["to"] == f"{directory}/b.md"
    assert ov("cp", f"{directory}/b.md", f"{directory}/c.md")["to"] == f"{directory}/c.md"
    assert ov("rm", directory, "-r")["estimated_deleted_count"] > 0
    assert ov.refused("stat", directory) == (1, "NOT_FOUND")


def test_a_session_is_kept_and_put_away(ov: Ov) -> None:
    assert ov("session", "new", "--session-id", "ov-1")["session_id"] == "ov-1"
    ov("session", "add-message", "ov-1", "--role", "user", "--content", "We move to Lisbon in March.")
    more = [{"role": "user", "content": "My favourite tea is oolong."}]
    assert ov("session", "add-messages", "ov-1", json.dumps(more))["added"] == 1
    assert "ov-1" in [one["session_id"] for one in ov("session", "list")]
    assert ov("session", "get", "ov-1")["message_count"] == 2
    did = ov("session", "commit", "ov-1")
    ov("wait")
    assert ov("task", "status", did["task_id"])["status"] == "completed"
    assert "Lisbon" in ov("session", "get-session-context", "ov-1", "--token-budget", "4000")["latest_archive_overview"]
    assert len(ov("session", "get-session-archive", "ov-1", "archive_001")["messages"]) == 2
    assert "Lisbon" in json.dumps(ov("find", "where do we move"))
    assert ov("session", "delete", "ov-1")["session_id"] == "ov-1"


def test_a_sessions_configuration_can_be_changed(ov: Ov) -> None:
    policy = json.dumps({"message_count_threshold": 50})
    session = ov("session", "new", "--session-id", "ov-2", "--auto-commit-policy-json", policy)
    assert session["auto_commit_policy"]["message_count_threshold"] == 50
    changed = ov("session", "config", "set", "ov-2", "--no-auto-commit")
    assert changed.get("auto_commit_policy") is None


def test_a_memory_is_added_in_one_shot(ov: Ov) -> None:
    assert ov("add-memory", "Ana prefers sencha in the afternoon.") == "OK"
    ov("wait")
    assert "sencha" in json.dumps(ov("find", "what does Ana prefer in the afternoon"))


@pytest.fixture(scope="module")
def folder(ov: Ov) -> str:
    """A skill with a file beside it."""
    skill_folder = ov.home / "brew-tea"
    skill_folder.mkdir()
    (skill_folder / "SKILL.md").write_text(SKILL)
    (skill_folder / "steps.md").write_text("Boil, wait, pour.\n")
    return skill_folder.name


def test_list_only_adds_nothing(ov: Ov, folder: str) -> None:
    """It asks so too before every add that is not confirmed with -y."""
    assert "brew-tea" in json.dumps(ov("skills", "add", folder, "-l"))
    assert ov("skills", "list")["skills"] == []


def test_a_named_skill_of_a_source_is_added(ov: Ov, folder: str) -> None:
    ov("skills", "add", folder, "-s", "brew-tea", "-w", "-y")
    assert [one["name"] for one in ov("skills", "list")["skills"]] == ["brew-tea"]
    ov("skills", "remove", "brew-tea", "-y")


def test_a_skill_lives_from_add_to_remove(ov: Ov, folder: str) -> None:
    ov("skills", "add", folder, "--wait", "-y")
    assert [one["name"] for one in ov("skills", "list")["skills"]] == ["brew-tea"]
    assert ov("skills", "find", "how to brew tea")["skills"][0]["name"] == "brew-tea"
    assert ov("skills", "show", "brew-tea")["description"] == "Brew tea the way Ana likes it"
    assert ov("skills", "validate", "brew-tea/SKILL.md")["valid"] is True
    ov("skills", "remove", "brew-tea", "-y")
    assert ov("skills", "list")["skills"] == []


def test_the_index_is_made_again_and_is_whole(ov: Ov) -> None:
    assert ov("reindex", MANUAL)["status"] == "completed"
    assert ov("system", "consistency", MANUAL)["ok"] is True


def test_a_pack_goes_out_and_comes_in(ov: Ov) -> None:
    assert ov.run("-o", "json", "export", MANUAL, "manual.ovpack").exit == 0
    assert (ov.home / "manual.ovpack").stat().st_size > 0
    ov("mkdir", "viking://resources/again")
    assert ov("import", "manual.ovpack", "viking://resources/again")["uri"].startswith("viking://resources/again")
    assert ov("read", "viking://resources/again/manual/pump.md") == TEXT


def test_a_snapshot_is_taken_changed_and_restored(ov: Ov) -> None:
    uri = "viking://resources/kept/note.md"
    ov("write", uri, "--content", "first", "--mode", "create")
    taken = ov("snapshot", "commit", "-m", "first")
    assert taken["result"] == "created"
    assert taken["commit_oid"] in [one["oid"] for one in ov("snapshot", "log")]
    ov("write", uri, "--content", "second")
    ov("snapshot", "restore", taken["commit_oid"], "viking://resources/kept")
    assert ov("read", uri) == "first"


def test_without_watches_the_list_is_empty(ov: Ov) -> None:
    payload = ov("task", "watch", "ls")
    assert (payload["tasks"], payload["total"]) == ([], 0)


@pytest.mark.parametrize(
    ("words", "exit_", "code"),
    [
        (("read", "viking://resources/none.md"), 1, "NOT_FOUND"),
        (("ls", "viking://resources/none"), 1, "NOT_FOUND"),
        (("ls", "http://example.org"), 1, "INVALID_URI"),
        (("rm", MANUAL), 1, "FAILED_PRECONDITION"),
        (("rm", "viking://resources", "-r"), 1, "PERMISSION_DENIED"),
        (("task", "status", "nope"), 1, "NOT_FOUND"),
        (("session", "get", "nope"), 1, "NOT_FOUND"),
        (("grep", "(a", "-u", "viking://resources"), 1, "INVALID_ARGUMENT"),
        (("write", PUMP, "--content", "x", "--mode", "create"), 1, "ALREADY_EXISTS"),
        (("skills", "show", "nope"), 1, "NOT_FOUND"),
        (("admin", "list-accounts"), 1, "PERMISSION_DENIED"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_refusal_has_its_code_and_its_exit(ov: Ov, words: tuple[str, ...], exit_: int, code: str) -> None:
    assert ov.refused(*words) == (exit_, code)


def test_a_wrong_command_is_a_matter_of_usage(ov: Ov) -> None:
    assert ov.run("nonsense").exit == 2


def test_an_unreachable_server_is_reported(ov: Ov, tmp_path: Path, unused: Callable[[], int]) -> None:
    lost = Ov(unused(), tmp_path / "home")
    assert lost.run("-o", "json", "health").exit == 1
