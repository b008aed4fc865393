"""Commands against a server of canned answers: requests, output, exit codes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from recalld.surfaces.cli.explain import segments
from recalld.surfaces.cli.main import main
from tests.surfaces.recording_server import Canned, Wire, serving

HITS = {
    "memories": [
        {
            "context_type": "memory",
            "uri": "viking://user/default/memories/events/cat.md",
            "level": 2,
            "score": 0.52,
            "abstract": "Mara adopted\na cat.",
            "tags": [],
        }
    ],
    "resources": [
        {
            "context_type": "resource",
            "uri": "viking://resources/docs/a.md",
            "level": 2,
            "score": 0.81,
            "abstract": "About a.",
            "tags": [],
        }
    ],
    "skills": [],
    "total": 2,
}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with serving() as wire:
        for name in ("RECALLD_USER", "RECALLD_ACCOUNT", "RECALLD_API_KEY", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("RECALLD_URL", wire.url)
        yield wire


class Ran:
    """One command's end: its exit code and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*words: str) -> Ran:
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


def test_hits_are_shown_best_first_with_their_address(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("POST /api/v1/search/find", HITS)
    shown = run("find", "cats").out
    assert shown.index("viking://resources/docs/a.md") < shown.index("viking://user/default/memories/events/cat.md")
    assert "Mara adopted a cat." in shown


def test_json_is_the_result_as_the_server_gave_it(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("POST /api/v1/search/find", HITS, X_Recalld_Degraded="embedder")
    assert run("find", "cats", "--json").json == {"ok": True, "result": HITS, "degraded": ["embedder"]}


def test_json_may_precede_the_command(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("GET /api/v1/fs/stat", {"name": "猫"})
    assert run("--json", "stat", "viking://resources").json == {"ok": True, "result": {"name": "猫"}}


def test_every_filter_of_find_reaches_the_server(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("POST /api/v1/search/find", HITS)
    words = (
        "-u viking://a -u viking://b -n 3 -t 0.2 --level 2 --type memory --tags k=v --after 7d --before 2026-01-01 -p"
    )
    run("find", "x", *words.split())
    assert wire.last.body == {
        "query": "x",
        "target_uri": ["viking://a", "viking://b"],
        "limit": 3,
        "score_threshold": 0.2,
        "level": [2],
        "context_type": ["memory"],
        "tags": ["k=v"],
        "since": "7d",
        "until": "2026-01-01",
        "include_provenance": True,
        "include_passage": True,
        "fold": True,
        "gap": True,
    }


def test_a_hit_shows_its_passage_and_its_place_and_with_long_its_abstract(wire: Wire, run: Callable[..., Ran]) -> None:
    passage = {"text": "A cat came.", "headings": ["Pets", "Cats"], "line_start": 3, "line_end": 5, "marks": [[2, 5]]}
    hit = {**HITS["memories"][0], "passage": passage, "folded": ["viking://resources/copy.md"]}
    wire.ok("POST /api/v1/search/find", {**HITS, "memories": [hit], "total": 1, "weaker": 3})
    shown = run("find", "cats")
    assert "     Pets › Cats · lines 3-5\n     A cat came.\n" in shown.out
    assert "+ 1 with the same text: viking://resources/copy.md" in shown.out
    assert "Mara adopted" not in shown.out
    assert "3 weaker hits left out; --all shows them" in shown.err
    assert "Mara adopted a cat." in run("find", "cats", "-l").out


@pytest.mark.parametrize("option", ["--all", "--json"])
def test_all_hits_are_wanted_for_all_and_for_programs(wire: Wire, run: Callable[..., Ran], option: str) -> None:
    wire.ok("POST /api/v1/search/find", HITS)
    run("find", "x", option)
    assert {"fold", "gap"} & wire.last.body.keys() == set()


def test_an_empty_store_says_so_and_how_to_add_something(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("POST /api/v1/search/find", {"memories": [], "resources": [], "skills": [], "total": 0})
    assert "nothing matched" in run("find", "x").err
    wire.ok("GET /api/v1/debug/vector/count", {"count": 0})
    shown = run("find", "x")
    assert (shown.code, shown.out) == (0, "")
    assert "the store is empty: recalld add PATH" in shown.err


def test_an_option_wins_over_the_environment(
    wire: Wire, run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECALLD_USER", "env")
    wire.ok("GET /api/v1/sessions", [])
    run("session", "list")
    assert wire.last.headers["X-OpenViking-User"] == "env"
    run("session", "list", "--user", "ana")
    assert wire.last.headers["X-OpenViking-User"] == "ana"


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (500, "INTERNAL", 1),
        (400, "INVALID_URI", 2),
        (404, "NOT_FOUND", 3),
        (403, "PERMISSION_DENIED", 4),
        (409, "CONFLICT", 5),
        (429, "RESOURCE_EXHAUSTED", 6),
        (504, "DEADLINE_EXCEEDED", 7),
    ],
)
def test_the_exit_code_tells_the_family(
    wire: Wire, run: Callable[..., Ran], status: int, code: str, exit_code: int
) -> None:
    wire.fail("GET /api/v1/content/read", status, code, "it went wrong")
    result = run("read", "viking://resources/a.md")
    assert (result.code, result.out) == (exit_code, "")
    assert "it went wrong" in result.err
    machine = run("read", "viking://resources/a.md", "--json")
    assert (machine.code, machine.json["ok"], machine.json["error"]["code"]) == (exit_code, False, code)


def test_without_a_server_the_error_says_how_to_start_one(run: Callable[..., Ran]) -> None:
    result = run("ls", "--url", "http://127.0.0.1:1")
    assert (result.code, "recalld serve" in result.err) == (6, True)


@pytest.mark.parametrize("words", [("find",), ("nope",), ("ls", "--nope"), ("find", "x", "-n", "many")])
def test_wrong_usage_ends_with_2_also_in_json(run: Callable[..., Ran], words: tuple[str, ...]) -> None:
    assert run(*words).code == 2
    result = run(*words, "--json")
    assert (result.code, result.json["error"]["code"]) == (2, "USAGE")


def test_a_mistyped_command_gets_a_suggestion(run: Callable[..., Ran]) -> None:
    assert "find" in run("fnid", "x").err


def test_read_prints_the_text_and_nothing_else(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("GET /api/v1/content/read", "line one\nline two\n")
    assert run("read", "viking://resources/a.md").out == "line one\nline two\n"


@pytest.mark.parametrize(
    ("columns", "name", "abstract", "line"),
    [
        (40, "a.md", "A file of words about the sea.", "a.md  A file of words about the sea."),
        (30, "a.md", "A file of words about the sea.", "a.md  A file of words about…"),
        (30, "a.md", "一个关于海洋和船只的文件。", "a.md  一个关于海洋和船只的文…"),
        (20, "a.md", "A file of words about the sea.", "a.md"),
        (80, "b", "# viking://resources/b [Directory abstract is not ready]", "b"),
    ],
)
def test_a_tree_has_abstracts_truncated_at_a_word_to_the_width(
    wire: Wire,
    run: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    name: str,
    abstract: str,
    line: str,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    entry = {"uri": f"viking://resources/{name}", "isDir": False, "size": 1, "rel_path": name, "abstract": abstract}
    wire.ok("GET /api/v1/fs/tree", [entry])
    assert run("tree").out == f"{line}\n"


def test_escape_sequences_in_names_do_not_reach_the_terminal(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("GET /api/v1/fs/ls", [{"uri": "viking://resources/\x1b[2Jgone", "isDir": False, "size": 1}])
    assert "\x1b" not in run("ls").out


def test_write_takes_its_text_from_a_file(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 题目\n", encoding="utf-8")
    wire.ok("POST /api/v1/content/write", {"uri": "viking://resources/a.md", "written_bytes": 9})
    run("write", "viking://resources/a.md", "--from-file", str(tmp_path / "a.md"), "--append")
    assert (wire.last.body["content"], wire.last.body["mode"]) == ("# 题目\n", "append")


def test_write_refuses_what_is_no_text(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    assert run("write", "viking://resources/a.md", "--from-file", str(tmp_path / "a.bin")).code == 2
    assert wire.requests == []


def test_a_folder_is_sent_without_what_does_not_belong(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    folder = tmp_path / "project"
    for name in (
        "README.md",
        "src/a.py",
        "src/secret.key",
        "src/x.log",
        ".git/config",
        "node_modules/x.js",
        "out/b.md",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("out/\n")
    (folder / "src/.gitignore").write_text("*.log\n")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (tmp_path / "outside.md").write_text("not ours")
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("POST /api/v1/resources", {"root_uri": "viking://resources/project", "task_id": "t"})
    result = run("add", str(folder), "--json").json
    sent = next(request.raw for request in wire.requests if request.path.endswith("/temp_upload"))
    archive = zipfile.ZipFile(BytesIO(sent[sent.index(b"PK\x03\x04") :]))
    assert archive.namelist() == [".gitignore", "README.md", "src/.gitignore", "src/a.py"]
    assert {entry["path"] for entry in result["skipped"]} == {
        ".git/",
        "link.md",
        "node_modules/",
        "out/",
        "src/secret.key",
        "src/x.log",
    }
    assert sorted(wire.last.body["args"]["left_out"]) == [
        ".git/",
        "link.md",
        "node_modules/",
        "out/",
        "src/secret.key",
        "src/x.log",
    ]
    assert (wire.last.body["temp_file_id"], wire.last.body["source_name"]) == ("upload_1", "project")


def test_adding_a_folder_twice_names_the_same_origin(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("POST /api/v1/resources", {"root_uri": "viking://resources/p", "task_id": "t"})
    run("add", str(tmp_path))
    run("add", str(tmp_path / "." / ""))
    origins = [request.body["args"]["origin"] for request in wire.requests if request.path == "/api/v1/resources"]
    assert len(origins) == 2
    assert len(set(origins)) == 1


def test_a_folder_may_be_narrowed(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    for name in ("a.md", "b.py", "tests/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("POST /api/v1/resources", {"root_uri": "viking://resources/p", "task_id": "t"})
    run("add", str(tmp_path), "--include", "*.py", "--exclude", "tests/")
    sent = next(request.raw for request in wire.requests if request.path.endswith("/temp_upload"))
    assert zipfile.ZipFile(BytesIO(sent[sent.index(b"PK\x03\x04") :])).namelist() == ["b.py"]


def test_an_empty_folder_is_refused_before_anything_is_sent(
    wire: Wire, run: Callable[..., Ran], tmp_path: Path
) -> None:
    assert run("add", str(tmp_path)).code == 2
    assert run("add", str(tmp_path / "missing")).code == 2
    assert wire.requests == []


def test_waiting_for_an_import_that_fails_ends_with_an_error(
    wire: Wire, run: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("x")
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("POST /api/v1/resources", {"root_uri": "viking://resources/p", "task_id": "t"})
    wire.ok("GET /api/v1/tasks/t", {"task_id": "t", "status": "failed", "error": "zip bomb"})
    result = run("add", str(tmp_path), "--wait")
    assert (result.code, "zip bomb" in result.err) == (7, True)


def test_saying_the_same_id_twice_sends_the_same_id(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("POST /api/v1/sessions/s/messages/batch", {"added": 1, "message_count": 1, "pending_tokens": 2})
    run("session", "append", "s", "hello", "--peer", "mara", "--at", "2026-05-01", "--id", "m1")
    assert wire.last.body == {
        "messages": [{"id": "m1", "role": "user", "content": "hello", "peer_id": "mara", "created_at": "2026-05-01"}]
    }


@pytest.mark.parametrize("text", ['[{"role":"user","content":"a"}]', '{"role":"user","content":"a"}\n\n'])
def test_messages_come_from_an_array_or_from_lines(
    wire: Wire, run: Callable[..., Ran], tmp_path: Path, text: str
) -> None:
    (tmp_path / "talk").write_text(text)
    wire.ok("POST /api/v1/sessions/s/messages/batch", {"added": 1, "message_count": 1, "pending_tokens": 2})
    assert run("session", "append", "s", "--from-file", str(tmp_path / "talk")).code == 0
    assert wire.last.body["messages"][0]["content"] == "a"


def test_a_commit_may_be_awaited(wire: Wire, run: Callable[..., Ran]) -> None:
    committed = {
        "archived": True,
        "task_id": "t",
        "archive_uri": "viking://user/default/sessions/s/history/archive_001",
    }
    wire.ok("POST /api/v1/sessions/s/commit", committed)
    done = {"memories_extracted": {"events": 2}}
    wire.ok("GET /api/v1/tasks/t", {"task_id": "t", "status": "completed", "result": done})
    assert "2 events" in run("session", "commit", "s", "--wait").out


def test_status_tells_what_the_server_says_of_itself(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.put("GET /ready", Canned(200, {"status": "ready", "state": "degraded", "reasons": ["worker: dead"]}))
    wire.put("GET /health", Canned(200, {"status": "ok", "healthy": True, "version": "9"}))
    wire.ok("GET /api/v1/system/status", {"initialized": True, "user": "default"})
    output = run("status").out
    assert "degraded" in output
    assert "worker: dead" in output


def test_config_show_names_settings_from_the_file(run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[server]\nport = 8080\n")
    assert (
        run("config", "show", "--config", str(tmp_path / "c.toml"), "--json").json["result"]["server"]["port"] == 8080
    )


def test_a_wrong_setting_is_refused_by_name(run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[server]\nprot = 8080\n")
    result = run("config", "show", "--config", str(tmp_path / "c.toml"))
    assert (result.code, "server.prot" in result.err) == (2, True)


def test_config_show_hides_what_is_secret(run: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[embedder]\nprovider = "openai"\napi_key = "sk-hush"\nbatch_tokens_max = 7\n', encoding="utf-8")
    shown = run("config", "show", "--config", str(file), "--json")
    assert shown.json["result"]["embedder"]["api_key"] == "**********"
    assert shown.json["result"]["embedder"]["batch_tokens_max"] == 7
    assert "hush" not in shown.out + run("config", "show", "--config", str(file)).out


def usage(provider: str = "openai:m", tokens: int = 50_000) -> dict[str, Any]:
    row = {"day": "2026-11-25", "account_id": "default", "provider": "openai:m", "operation": "tiers"}
    return {
        "days": 7,
        "rows": [{**row, "calls": 3, "tokens_in": 900, "tokens_out": 300, "refused": 1}],
        "total": {"calls": 3, "tokens_in": 900, "tokens_out": 300, "refused": 1},
        "model": {
            "provider": provider,
            "state": "ok",
            "tokens_today": tokens,
            "calls_today": 3,
            "tokens_per_day_max": 200_000,
            "calls_per_day_max": 2_000,
            "tokens_per_import_max": 1_500,
            "calls_per_import_max": 1_000,
        },
        "providers": [
            {
                "provider": "openai:e",
                "state": "ok",
                "tokens_today": 7,
                "calls_today": 2,
                "tokens_per_day_max": 0,
                "calls_per_day_max": 30,
            }
        ],
    }


def test_usage_tells_costs_and_what_is_left(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.ok("GET /api/v1/stats/usage", usage())
    ran = run("usage", "--days", "3")
    assert ran.out.split() == ["2026-11-25", "openai:m", "tiers", "3", "900", "300", "1"]
    assert "50,000 of 200,000 tokens" in ran.err
    assert "today openai:e: 7 tokens, 2 of 30 calls (ok)" in ran.err
    assert wire.last.query == {"days": "3"}
    assert run("usage", "--json").json["result"]["total"]["calls"] == 3


def test_an_estimate_sends_nothing(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("words " * 100)
    wire.ok("GET /api/v1/stats/usage", usage())
    estimate = run("add", str(tmp_path), "--estimate", "--json").json["result"]
    assert (estimate["files"], estimate["calls"], estimate["tokens_left_today"]) == (3, 4, 150_000)
    assert estimate["tokens"] > 3 * 150
    assert "keep extractive abstracts" in run("add", str(tmp_path), "--estimate").err
    assert {request.path for request in wire.requests} == {"/api/v1/stats/usage"}


def test_without_a_language_model_an_import_costs_nothing(wire: Wire, run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    wire.ok("GET /api/v1/stats/usage", usage(provider=""))
    assert "costs nothing" in run("add", str(tmp_path / "a.md"), "--estimate").out
    assert run("add", str(tmp_path / "nowhere"), "--estimate").code == 2


def test_an_import_says_what_it_will_cost_before_it_is_sent(
    wire: Wire, run: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("x")
    wire.ok("GET /api/v1/stats/usage", usage())
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("POST /api/v1/resources", {"root_uri": "viking://resources/p", "task_id": "t"})
    ran = run("add", str(tmp_path))
    assert "of a day's budget" in ran.err
    assert "adding" in ran.out


def test_explain_draws_the_shares_of_a_score_and_what_was_cut(wire: Wire, run: Callable[..., Ran]) -> None:
    hit = {"context_type": "resource", "uri": "viking://a.md", "level": 2, "score": 0.5, "abstract": "", "tags": []}
    features = [
        {"name": "words", "raw": 3.0, "share": 0.3, "note": "BM25: 1 of 2 terms (cat)"},
        {"name": "prior", "raw": 0.2, "share": 0.2, "note": ""},
    ]
    trajectory = {
        "stages": [{"name": "plan", "ms": 1.5, "note": "2 terms"}],
        "rounds": [],
        "taken": [{"uri": "viking://a.md", "by": ["words"]}],
        "cut": [{"uri": "viking://b.md", "score": 0.05, "rule": "threshold"}],
        "degraded": [],
        "confidence": 0.5,
    }
    provenance = [{"uri": "viking://a.md", "sources": [], "features": features}]
    found = {"memories": [], "resources": [hit], "skills": [], "total": 1}
    wire.ok("POST /api/v1/search/find", found | {"provenance": provenance, "trajectory": trajectory})
    lines = run("find", "cat", "--explain").out.splitlines()
    assert wire.last.body["include_provenance"] is True
    assert "   " + "w" * 12 + "p" * 8 in lines
    assert any("+0.300" in line and "words" in line for line in lines)
    assert lines[-1].split() == ["0.050", "viking://b.md", "threshold"]


def test_a_bar_is_as_long_as_the_score_whatever_lowers_it() -> None:
    features = [{"name": "words", "share": 0.6}, {"name": "prior", "share": 0.2}, {"name": "place", "share": -0.4}]
    assert list(segments(features, 40)) == [("words", 12), ("prior", 4)]


def test_why_not_names_the_flag_that_opens_the_gate(wire: Wire, run: Callable[..., Ran]) -> None:
    gates = [{"name": "limit", "open": False, "detail": "it is hit 14, the limit is 10"}]
    nearest = {"parameter": "limit", "value": 14, "text": "raise limit to 14"}
    wire.ok("POST /api/v1/search/why-not", {"uri": "viking://a.md", "found": False, "gates": gates, "nearest": nearest})
    shown = run("why-not", "viking://a.md", "cat", "-n", "10").out
    assert "closed limit" in shown
    assert shown.splitlines()[-1] == "--limit 14"
