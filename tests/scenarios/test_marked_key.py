"""No output of any surface shows a provider's key, whatever the providers answer: a marked key, each provider broken in each
way, every operation and every command; all printed, logged and stored text is searched for it.

Operations and commands are enumerated: one without a case here fails.
"""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from recalld.app.plugins import load_all
from recalld.domain.caller import Caller
from recalld.domain.errors import RecalldError
from recalld.infra.thread_pool import LoopThread
from recalld.surfaces import blocking
from recalld.surfaces.blocking import Recalld
from recalld.surfaces.cli.main import app, main
from tests.fakes.provider import WIDTH, Provider, provider
from tests.live import Line, Server, serving, zipped
from tests.python_api import python_api
from tests.scenarios.marked import FAULTS, KEY, MARK, leaking, leaks

NOTE, TEXT = "viking://resources/heron.md", "the heron stood still by the water"
KINDS = ("embedder", "reranker", "model")
USUAL = {"embedder": "openai", "reranker": "tei", "model": "openai"}
ASKED_WITHIN_S = 20.0


@contextmanager
def broken(fault: str) -> Iterator[Provider]:
    """A provider on a loop of its own."""
    thread = LoopThread("fake")
    try:
        fake = thread.enter(provider(fault="ok" if fault == "refused" else fault))
        if fault == "refused":
            thread.close()
        yield fake
    finally:
        if fault != "refused":
            thread.call(_let_go(fake))
            thread.close()


async def _let_go(fake: Provider) -> None:
    fake.let_go.set()


def settings(fake: Provider, **kinds: str) -> dict[str, Any]:
    """All three providers played by the fake, with the key."""
    common = {"base_url": fake.url, "api_key": KEY, "request_timeout_s": 0.3, "timeout_s": 0.3}
    more = {"embedder": {"model": "m", "dimensions": WIDTH}, "reranker": {}, "model": {"model": "m"}}
    return {port: {"provider": kind, **common, **more[port]} for port, kind in (USUAL | kinds).items()}


Act = Callable[[Recalld, Path], Any]
VERBS: dict[str, Act] = {
    "write": lambda r, _: r.write(NOTE, TEXT),
    "sessions.append": lambda r, _: r.sessions.append("s", [{"role": "user", "content": "the stork flew"}]),
    "stat": lambda r, _: r.stat(NOTE),
    "ls": lambda r, _: r.ls("viking://resources"),
    "tree": lambda r, _: r.tree("viking://"),
    "read": lambda r, _: r.read(NOTE),
    "read_page": lambda r, _: r.read_page(NOTE, chars_max=100),
    "read_bytes": lambda r, _: r.read_bytes(NOTE),
    "abstract": lambda r, _: r.abstract("viking://resources"),
    "overview": lambda r, _: r.overview("viking://resources"),
    "edit": lambda r, _: r.edit(NOTE, "still", "quiet"),
    "write_many": lambda r, _: r.write_many("viking://resources", [], wait=False),
    "mkdir": lambda r, _: r.mkdir("viking://resources/d"),
    "cp": lambda r, _: r.cp(NOTE, "viking://resources/copy.md"),
    "mv": lambda r, _: r.mv("viking://resources/copy.md", "viking://resources/moved.md"),
    "rm": lambda r, _: r.rm("viking://resources/moved.md"),
    "grep": lambda r, _: r.grep("viking://resources", "heron"),
    "glob": lambda r, _: r.glob("**/*.md"),
    "find": lambda r, _: r.find("heron by the water"),
    "why_not": lambda r, _: r.why_not(NOTE, "stork by the water"),
    "search": lambda r, _: r.search("where the heron is"),
    "assemble": lambda r, _: r.assemble("heron and stork"),
    "count": lambda r, _: r.count(),
    "sessions.create": lambda r, _: r.sessions.create("t"),
    "sessions.get": lambda r, _: r.sessions.get("s"),
    "sessions.configure": lambda r, _: r.sessions.configure("s", {"a": 1}),
    "sessions.list": lambda r, _: r.sessions.list(),
    "sessions.commit": lambda r, _: r.sessions.commit("s"),
    "sessions.context": lambda r, _: r.sessions.context("s"),
    "sessions.archives": lambda r, _: r.sessions.archives("s"),
    "sessions.archive": lambda r, _: r.sessions.archive("s", "archive_001"),
    "sessions.mark_used": lambda r, _: r.sessions.mark_used("s", skills=1),
    "sessions.extract": lambda r, _: r.sessions.extract("s"),
    "sessions.tool_results": lambda r, _: r.sessions.tool_results("s"),
    "sessions.tool_result": lambda r, _: r.sessions.tool_result("s", "none"),
    "sessions.search_tool_result": lambda r, _: r.sessions.search_tool_result("s", "none", "heron"),
    "sessions.delete": lambda r, _: r.sessions.delete("t"),
    "add": lambda r, folder: r.add(_upload(r, folder)),
    "tasks.get": lambda r, _: [r.tasks.get(task.id) for task in r.tasks.list()],
    "tasks.list": lambda r, _: r.tasks.list(),
    "tasks.cancel": lambda r, _: r.tasks.cancel(r.tasks.list()[0].id),
    "history.log": lambda r, _: r.history.log(),
    "history.versions": lambda r, _: r.history.versions(NOTE),
    "history.read_at": lambda r, _: r.history.read_at(NOTE, "0s"),
    "history.diff": lambda r, _: r.history.diff(NOTE, since="1h"),
    "history.restore": lambda r, _: r.history.restore(NOTE, "0s"),
    "history.undo": lambda r, _: r.history.undo(dry_run=True),
    "history.seq_of": lambda r, _: r.history.seq_of("0s"),
    "history.purge": lambda r, _: r.history.purge("7d"),
    "wait": lambda r, _: r.wait(timeout_s=0.3),
    "usage": lambda r, _: r.usage(),
    "queues": lambda r, _: r.queues(),
    "readiness": lambda r, _: r.readiness(),
    "check": lambda r, _: r.check(),
    "as_caller": lambda r, _: r.as_caller(Caller("acme", "ana")).find("heron"),
    "caller": lambda r, _: r.caller,
    "upload_dir": lambda r, _: r.upload_dir,
}
"""In this order: what is written is then read."""
OPENING = {"open", "close"}


def _upload(r: Recalld, folder: Path) -> Path:
    path = r.upload_dir / "birds.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zipped({"birds/heron.md": TEXT, "birds/stork.md": "the stork flew"}))
    return path


def _shown(r: Recalld, act: Act, folder: Path) -> str:
    """Every representation of a verb's answer or error."""
    try:
        answer = act(r, folder)
    except RecalldError as refused:
        return f"{refused!r} {refused} {vars(refused)} {''.join(traceback.format_exception(refused))}"
    return f"{answer!r} {answer}"


def embedded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, expected_paths: set[str], **kinds: str
) -> None:
    """Run every verb of the library beside broken providers, then search. ``expected_paths``: paths that must have been
    requested."""
    caplog.set_level(logging.DEBUG)
    data = tmp_path / "data"
    with broken(fault) as fake:
        with blocking.open(data, **settings(fake, **kinds)) as store:
            shown = {name: _shown(store, act, tmp_path) for name, act in VERBS.items()}
            until = time.monotonic() + ASKED_WITHIN_S
            while expected_paths - {one.path.rsplit("/", 1)[-1].split(":")[-1] for one in fake.seen}:
                assert time.monotonic() < until, f"asked only {[one.path for one in fake.seen]}"
                time.sleep(0.02)
            shown |= {
                f"{name} again": _shown(store, VERBS[name], tmp_path) for name in ("tasks.get", "readiness", "find")
            }
            shown["ports"] = (
                repr(store._inner._ports) + repr(store._inner.config) + repr(store._inner.health_snapshot())
            )
            assert leaking(data) == []
        if fault != "refused":
            assert any(leaks(str(one.headers)) for one in fake.seen)  # it was sent, so it could come back
    assert [name for name, text in shown.items() if leaks(text)] == []
    assert [record.getMessage() for record in caplog.records if leaks(record.getMessage() + str(vars(record)))] == []
    assert leaking(data) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_embedded_library_shows_no_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    embedded(tmp_path, caplog, fault, set() if fault == "refused" else {"embeddings", "rerank", "completions"})
    printed = capfd.readouterr()
    assert not leaks(printed.out + printed.err)


def test_every_verb_of_the_library_has_a_case() -> None:
    assert python_api(Recalld).keys() - OPENING == VERBS.keys() - {"caller", "upload_dir"}


REMOTE = [(port, one.name) for port in KINDS for one in load_all(port) if one.remote]


@pytest.mark.slow  # minutes: each kind of provider in each way
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("port", "kind"), REMOTE)
def test_no_kind_of_provider_shows_its_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, port: str, kind: str
) -> None:
    embedded(tmp_path, caplog, fault, set(), **{port: kind})


def test_the_search_finds_a_key_however_it_is_written(tmp_path: Path) -> None:
    for text in (
        KEY,
        KEY.lower(),
        KEY.encode().hex(),
        *(base64.b64encode(b"x" * n + KEY.encode()).decode() for n in range(4)),
    ):
        assert leaks(text)
    assert not leaks("the heron stood still by the water " * 100)
    (tmp_path / "a.zip").write_bytes(zipped({"a": KEY * 9}))
    (tmp_path / "b").write_bytes(b"\0" * 9_000 + KEY.encode())
    assert len(leaking(tmp_path)) == 2


COMMANDS: dict[str, tuple[str, ...]] = {
    "add": ("add", "{birds}", "--to", "viking://resources/birds", "--yes"),
    "write": ("write", NOTE, "--content", TEXT),
    "mkdir": ("mkdir", "viking://resources/d", "-d", "A pond."),
    "session new": ("session", "new", "s"),
    "session append": ("session", "append", "s", "the stork flew"),
    "session list": ("session", "list"),
    "session show": ("session", "show", "s"),
    "session context": ("session", "context", "s"),
    "session commit": ("session", "commit", "s"),
    "find": ("find", "heron by the water", "-p"),
    "why-not": ("why-not", NOTE, "stork by the water"),
    "ls": ("ls", "viking://resources", "-l"),
    "tree": ("tree", "viking://resources"),
    "stat": ("stat", NOTE),
    "read": ("read", NOTE),
    "abstract": ("abstract", "viking://resources"),
    "overview": ("overview", "viking://resources"),
    "grep": ("grep", "heron"),
    "glob": ("glob", "**/*.md"),
    "eval": ("eval", "{questions}", "--no-save"),
    "cp": ("cp", NOTE, "viking://resources/copy.md"),
    "mv": ("mv", "viking://resources/copy.md", "viking://resources/moved.md"),
    "rm": ("rm", "viking://resources/moved.md", "--yes"),
    "undo": ("undo", "--yes"),
    "history show": ("history", "show"),
    "history restore": ("history", "restore", NOTE, "--at", "{now}", "--dry-run"),
    "history diff": ("history", "diff", NOTE, "--from", "1h"),
    "history purge": ("history", "purge", "--older-than", "7d", "--yes"),
    "task list": ("task", "list"),
    "task show": ("task", "show", "{task}"),
    "task cancel": ("task", "cancel", "{task}"),
    "task wait": ("task", "wait", "{task}"),
    "export": ("export", "viking://resources", "{folder}/a.ovpack", "-f"),
    "import": ("import", "{folder}/a.ovpack", "viking://resources/again"),
    "backup": ("backup", "{folder}/b.ovpack", "-f"),
    "restore": ("restore", "{folder}/b.ovpack", "--on-conflict", "skip"),
    "get": ("get", NOTE, "{folder}/heron.md", "-f"),
    "import-openviking": ("import-openviking", "{fake}", "--api-key", KEY),
    "snapshot commit": ("snapshot", "commit", "-m", "one"),
    "snapshot log": ("snapshot", "log"),
    "snapshot show": ("snapshot", "show", "HEAD"),
    "snapshot diff": ("snapshot", "diff", NOTE),
    "snapshot restore": ("snapshot", "restore", "HEAD", "--dry-run"),
    "snapshot ignore-get": ("snapshot", "ignore-get"),
    "snapshot ignore-set": ("snapshot", "ignore-set", "--content", "*.tmp"),
    "snapshot ignore-delete": ("snapshot", "ignore-delete"),
    "skills validate": ("skills", "validate", "{skill}"),
    "skills add": ("skills", "add", "{skill}"),
    "skills update": ("skills", "update", "fern", "{skill}"),
    "skills list": ("skills", "list"),
    "skills find": ("skills", "find", "water the fern"),
    "skills show": ("skills", "show", "fern", "-f"),
    "skills remove": ("skills", "remove", "fern", "--yes"),
    "agent install": ("agent", "install", "codex"),
    "agent check": ("agent", "check", "codex"),
    "status": ("status",),
    "top": ("top", "--once", "--every", "0.2"),
    "usage": ("usage",),
    "doctor": ("doctor", "--data", "{data}"),
    "fsck": ("fsck", "--data", "{data}"),
    "config show": ("config", "show"),
    "config path": ("config", "path"),
    "version": ("version",),
    "session delete": ("session", "delete", "s"),
}
"""In this order, after a import's task is known."""
# The import may have ended before it is cancelled.
FAILING = {
    "task cancel": {0, 5},
    "task wait": {0, 7},
    "import-openviking": {2, 6, 7},
    "doctor": {1},
    "fsck": {5},
    "history purge": {4},
}
"""The exit codes of commands that cannot end well here: the task is cancelled, the source is the broken provider, the
providers fail, the server has the store open, and purging needs the root key. With ``fsck`` and ``doctor`` asked again when
it has ended."""
PROCESSES = {
    "serve": "the server that all others ask",
    "work": "that server's worker",
    "mcp": "test_the_tools_on_stdin_show_no_key",
}


def commands() -> Iterator[str]:
    """Every command of the tree, as typed."""
    top = typer.main.get_command(app)
    context = click.Context(top)
    for name in top.list_commands(context):  # type: ignore[attr-defined]
        found = top.get_command(context, name)  # type: ignore[attr-defined]
        if hasattr(found, "list_commands"):
            yield from (f"{name} {one}" for one in found.list_commands(context))
        else:
            yield name


def test_every_command_has_a_case() -> None:
    assert sorted(commands()) == sorted([*COMMANDS, *PROCESSES])


@dataclass
class Place:
    """A server with broken providers behind it, and what the commands run in."""

    folder: Path
    server: Server
    fake: Provider
    user_key: str
    capfd: pytest.CaptureFixture[str]
    values: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> tuple[int, str]:
        """One command's exit code and all that it printed."""
        try:
            code = main([word.format(**self.values) if "{" in word else word for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = self.capfd.readouterr()
        return code, printed.out + printed.err


@contextmanager
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fault: str
) -> Iterator[Place]:
    """The keys come from each place that settings may: the embedder's from the environment, the reranker's from the file, the
    model's from a file of its own; the root key is marked as well."""
    for one in ("home", "birds", "packs", "skill/fern"):
        (tmp_path / one).mkdir(parents=True)
    (tmp_path / "birds/stork.md").write_text("the stork flew over the harbour")
    (tmp_path / "skill/fern/SKILL.md").write_text("---\nname: fern\ndescription: Waters the fern.\n---\n\nWater it.\n")
    (tmp_path / "questions.yaml").write_text(f"cases: [{{question: heron by the water, expect: ['{NOTE}']}}]")
    keys = tmp_path / "home"  # not searched: it is where the keys are
    (keys / "model.key").write_text(KEY)
    with broken(fault) as fake:
        (tmp_path / "recalld.toml").write_text(
            f'[reranker]\nprovider = "tei"\nbase_url = "{fake.url}"\napi_key = "{KEY}"\nrequest_timeout_s = 0.3\n'
            f'[model]\nprovider = "openai"\nmodel = "m"\nbase_url = "{fake.url}"\napi_key_file = "{keys}/model.key"\n'
            "request_timeout_s = 0.3\n"
        )
        environment = {
            "RECALLD_EMBEDDER__PROVIDER": "openai",
            "RECALLD_EMBEDDER__MODEL": "m",
            "RECALLD_EMBEDDER__DIMENSIONS": str(WIDTH),
            "RECALLD_EMBEDDER__BASE_URL": fake.url,
            "RECALLD_EMBEDDER__API_KEY": KEY,
            "RECALLD_EMBEDDER__REQUEST_TIMEOUT_S": "0.3",
            "RECALLD_SERVER__ROOT_API_KEY": f"root{MARK}",
            "RECALLD_LOG__LEVEL": "debug",
        }
        for name, value in {**environment, "HOME": str(keys), "COLUMNS": "200"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        with serving(tmp_path / "data", **environment) as server:
            line = server.line()
            line.headers = {"X-API-Key": f"root{MARK}"}
            account = line.ask("POST", "/admin/accounts", {"account_id": "acme", "admin_user_id": "ana"}).result
            line.close()
            monkeypatch.setenv("RECALLD_URL", f"http://127.0.0.1:{server.port}")
            monkeypatch.setenv("RECALLD_API_KEY", account["user_key"])
            names = {"birds": "birds", "skill": "skill/fern", "data": "data", "questions": "questions.yaml"}
            values = {name: str(tmp_path / path) for name, path in names.items()}
            yield Place(
                tmp_path, server, fake, account["user_key"], capfd,
                {**values, "folder": str(tmp_path / "packs"), "fake": fake.url},
            )  # fmt: skip


def everything_shown(at: Place) -> dict[str, str]:
    """Run every command and ask every route that only shows; what each printed."""
    shown = {}
    for name, words in COMMANDS.items():
        code, text = at.run(*words)
        assert code in FAILING.get(name, {0}), f"{name} ended with {code}: {text}"
        assert "Traceback" not in text, name
        shown[name] = text
        if name == "add":
            found = Line(at.server.port)
            found.headers = {"X-API-Key": at.user_key}
            at.values["task"] = found.ask("GET", "/tasks").result[0]["task_id"]
            found.close()
        if name == "undo":
            at.values["now"] = datetime.now(UTC).isoformat()
    line = Line(at.server.port)
    line.headers = {"X-API-Key": at.user_key}
    searched = line.ask("POST", "/search/search", {"query": "the heron"})
    shown["search"] = f"{searched.body} {searched.headers}"
    line.close()
    for who in (at.user_key, f"root{MARK}", ""):
        shown |= {f"GET {path} ({who[:4]})": text for path, text in _routes(at, who)}
    return shown


def _routes(at: Place, key: str) -> Iterator[tuple[str, str]]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", at.server.port, timeout=30)
    connection.request("GET", "/openapi.json")
    paths = json.loads(connection.getresponse().read())["paths"]
    for path, methods in paths.items():
        if "get" in methods and "{" not in path:
            yield path, _get(connection, path, key)
    connection.close()


def _get(connection: Any, path: str, key: str) -> str:
    connection.request("GET", path, headers={"X-API-Key": key} if key else {})
    answer = connection.getresponse()
    return str(answer.getheaders()) + answer.read().decode(errors="replace")


def nothing_shows(at: Place, shown: dict[str, str]) -> None:
    """Neither key in what was printed, answered, logged or stored, while the server runs and when it has ended."""
    secret = at.user_key.casefold().rsplit(".", 1)[-1]
    assert [name for name, text in shown.items() if leaks(text, secret)] == []
    assert leaking(at.folder / "data", secret) == []
    assert at.server.stop() == 0
    log = at.server.output()
    assert [line for line in log.splitlines() if leaks(line, secret)] == []
    assert log.count("\n") > 10
    alone = {name: at.run(*COMMANDS[name]) for name in ("fsck", "doctor")}
    assert (alone["fsck"][0], alone["doctor"][0]) == (0, 1)
    assert [name for name, (_, text) in alone.items() if leaks(text, secret)] == []
    assert leaking(at.folder / "data", secret) == []
    packs = at.folder / "packs"
    assert len(list(packs.iterdir())) == 3
    assert leaking(packs, secret) == []


def all_commands(at: Place) -> None:
    """The whole story of one fault."""
    shown = everything_shown(at)
    if at.fake.fault != "ok":  # else it is gone
        assert {"embeddings", "completions", "rerank"} <= {one.path.rsplit("/", 1)[-1] for one in at.fake.seen}
    nothing_shows(at, shown)


def test_no_command_and_no_route_shows_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with place(tmp_path, monkeypatch, capfd, "quotes 401") as at:
        all_commands(at)


@pytest.mark.slow  # a server and all commands for every fault
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "quotes 401"])
def test_no_command_and_no_route_shows_a_key_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    with place(tmp_path, monkeypatch, capfd, fault) as at:
        all_commands(at)


def test_the_tools_on_stdin_show_no_key(tmp_path: Path) -> None:
    def message(number: int, method: str, **params: Any) -> str:
        return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n"

    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    calls = [("health", {}), ("write", {"uri": NOTE, "content": TEXT}), ("find", {"query": "heron"}), ("nothing", {})]
    with broken("quotes 401") as fake:
        settings = {
            "PROVIDER": "openai", "MODEL": "m", "DIMENSIONS": str(WIDTH), "BASE_URL": fake.url, "API_KEY": KEY,
        }  # fmt: skip
        messages = message(1, "initialize", **client) + '{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
        messages += "".join(message(n, "tools/call", name=t, arguments=a) for n, (t, a) in enumerate(calls, 2))
        with subprocess.Popen(
            [sys.executable, "-m", "recalld", "mcp", "--data", str(tmp_path / "data")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            env={"PATH": "", "HOME": str(tmp_path)} | {f"RECALLD_EMBEDDER__{name}": value for name, value in settings.items()},
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            answers = ""
            for one in messages.splitlines(keepends=True):  # each answered before the next: calls overlap else
                process.stdin.write(one)
                process.stdin.flush()  # its end would end the calls
                answers += process.stdout.readline() if '"id"' in one else ""
            more, logged = process.communicate(timeout=60)
        assert fake.seen
    assert [f'"id":{n}' in answers for n in range(1, 2 + len(calls))] == [True] * (1 + len(calls))
    assert not leaks(answers + more + logged)
    assert leaking(tmp_path / "data") == []
