"""Clients that record what a server acknowledged, and compare it with the store after a kill.

Each has its own addresses, so the expected state is known exactly: the state after all acknowledged requests, or, for
the one request in flight when the server was killed, also the state after that one.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from tests.live import Gone, Line, zipped

Files = dict[str, str]


class Actor(Protocol):
    """``step`` makes one request; ``recover`` settles the one in doubt after a restart; ``check`` compares all."""

    done: Counter[str]

    def step(self, line: Line) -> None:
        """One request. Raises ``Gone`` when the server dies of it; then it is in doubt."""

    def recover(self, line: Line) -> None:
        """Find out what became of the request in doubt, before background work is done."""

    def check(self, line: Line) -> None:
        """Everything acknowledged is there once and exactly, after background work is done."""


class Talker:
    """One session: single and batched appends, by message id or by Idempotency-Key, and commits."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.sid = f"kill-{name}"
        self.done: Counter[str] = Counter()
        self._mark = f"qz{name.replace('-', '')}"
        self._chance = chance
        self._count = 0
        self._texts: list[str] = []
        self._archived = 0
        self._commits = 0
        self._doubt: tuple[str, Any] | None = None

    def step(self, line: Line) -> None:
        live = len(self._texts) - self._archived
        if live > 2 and (self._chance.random() < 0.15 or live > 60):
            return self._commit(line)
        wide = 1 if self._chance.random() < 0.7 else self._chance.randint(2, 5)
        texts = [self._sentence() for _ in range(wide)]
        key = f"{self._mark}-{self._count}"
        named = self._chance.random() < 0.5
        self._append(line, texts, key, named)

    def _sentence(self) -> str:
        self._count += 1
        return f"I decided that box {self._mark}n{self._count}e goes to shelf {self._count}."

    def _append(self, line: Line, texts: list[str], key: str, named: bool) -> None:
        self._doubt = ("append", (texts, key, named))
        added = self._send(line, texts, key, named)
        self._texts += texts
        self._doubt = None
        assert added == len(texts) or len(texts) == 1
        self.done["append" if len(texts) == 1 else "batch"] += 1

    def _send(self, line: Line, texts: list[str], key: str, named: bool) -> int:
        messages = [{"role": "user", "content": text} for text in texts]
        if named:
            messages = [{**m, "id": f"{key}.{i}"} for i, m in enumerate(messages)]
        line.headers = {} if named else {"Idempotency-Key": key}
        try:
            if len(messages) == 1:
                return int(line.ask("POST", f"/sessions/{self.sid}/messages", messages[0]).result["message_count"])
            many = line.ask("POST", f"/sessions/{self.sid}/messages/batch", {"messages": messages})
            return int(many.result["added"])
        finally:
            line.headers = {}

    def _commit(self, line: Line) -> None:
        self._doubt = ("commit", None)
        receipt = line.ask("POST", f"/sessions/{self.sid}/commit", {}).result
        self._doubt = None
        assert receipt["archived"], receipt
        self._commits += 1
        assert receipt["archive_uri"].endswith(f"archive_{self._commits:03d}")
        self._archived = len(self._texts)
        self.done["commit"] += 1

    def recover(self, line: Line) -> None:
        doubt, self._doubt = self._doubt, None
        seen, archived, commits = self._seen(line)
        if doubt is not None and doubt[0] == "append":
            texts, key, named = doubt[1]
            assert seen in (self._texts, self._texts + texts), (
                f"{self.sid}: {seen[-8:]} after {self._texts[-5:]} + {texts}"
            )
            # The client does what clients do: it sends again. Whatever had become of the first, there is one of each.
            self._send(line, texts, key, named)
            self._texts += texts
            seen, archived, commits = self._seen(line)
            self.done["append repeated"] += 1
        if doubt is not None and doubt[0] == "commit" and commits == self._commits + 1:
            self._commits, self._archived = commits, len(self._texts)
        assert seen == self._texts, f"{self.sid}: {_apart(seen, self._texts)}"
        assert (commits, archived) == (self._commits, self._archived), f"{self.sid}: {commits}, {archived} archived"
        if self._texts:
            text = self._chance.choice(self._texts)
            assert any(self.sid in uri for uri in line.found(text.split()[4])), f"{text} is not found"

    def _seen(self, line: Line) -> tuple[list[str], int, int]:
        """Texts in order, how many of them are archived, how often."""
        base = f"viking://user/default/sessions/{self.sid}"
        meta = line.ask("GET", f"/sessions/{self.sid}")
        if meta.status == 404:
            return [], 0, 0
        commits = int(meta.result["commit_count"])
        archives = [line.read(f"{base}/history/archive_{n:03d}/messages.jsonl") for n in range(1, commits + 1)]
        assert line.read(f"{base}/history/archive_{commits + 1:03d}/messages.jsonl") is None
        old = [text for archive in archives for text in _texts(archive)]
        live = _texts(line.read(f"{base}/messages.jsonl"))
        assert meta.result["message_count"] == len(live)
        assert meta.result["total_message_count"] == len(old) + len(live)
        return old + live, len(old), commits

    def check(self, line: Line) -> None:
        seen, archived, _ = self._seen(line)
        assert seen == self._texts, f"{self.sid}: {_apart(seen, self._texts)}"
        for number in range(1, self._commits + 1):
            got = line.ask("GET", f"/sessions/{self.sid}/archives/archive_{number:03d}")
            assert got.status == 200, f"{self.sid}: archive {number} of {self._commits} is not finished: {got.body}"
        body = {"uri": "viking://user/default/memories", "pattern": f"^> .*{self._mark}n", "node_limit": 10_000}
        got = line.ask("POST", "/search/grep", body)
        lines = [] if got.status == 404 else got.result["matches"]
        found = Counter(one["content"].partition("box ")[2].split()[0] for one in lines)
        meant = Counter(text.split()[4] for text in self._texts[:archived])
        assert found == meant, f"{self.sid}: memories lack {meant - found}, have too many of {found - meant}"


def _texts(jsonl: str | None) -> list[str]:
    assert jsonl is not None
    return ["".join(p["text"] for p in json.loads(row)["parts"]) for row in jsonl.splitlines()]


def _apart(seen: list[str], meant: list[str]) -> str:
    lost, more = Counter(meant) - Counter(seen), Counter(seen) - Counter(meant)
    return f"lost {list(lost)}, too many {list(more)}" if lost or more else "out of order"


class Writer:
    """One directory: files created, replaced, appended to, written in batches, moved and removed, alone and by folder; and the
    last of these undone."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.root = f"viking://resources/kill-w{name}"
        self.done: Counter[str] = Counter()
        self._chance = chance
        self._count = 0
        self._files: Files = {}
        self._before: Files | None = None
        """What was there before the last request, where that can be undone."""
        self._doubt: Files | None = None

    def step(self, line: Line) -> None:
        self._count += 1
        if self._before is not None and self._chance.random() < 0.2:
            return self._undo(line)
        few = len(self._files) < 4
        verbs = (
            [self._create, self._batch] if few else [self._create, self._replace, self._append, self._batch, self._mv]
        )
        if len(self._files) >= 4:
            verbs += [self._mv_folder, self._rm, self._rm_folder if len(self._files) > 12 else self._rm]
        self._chance.choice(verbs)(line)

    def _do(self, what: str, after: Files, ask: Callable[[], object]) -> None:
        self._doubt = after
        ask()
        self._before = self._files if self._files != after else None
        self._files, self._doubt = after, None
        self.done[what] += 1

    def _undo(self, line: Line) -> None:
        after = self._before or {}
        last = line.ask("GET", "/log", under=self.root, limit=200).result["entries"]
        seq = next(e["seq"] for e in last if e["op"] in {"create", "write", "move", "remove", "restore"})
        self._do("undo", after, lambda: line.ask("POST", "/log/undo", {"seq": seq}).result)

    def _words(self) -> str:
        return f"# Page {self._count}\n\n" + f"word{self._count} " * self._chance.choice([3, 30, 3_000])

    def _path(self) -> str:
        return f"d{self._chance.randrange(4)}/e{self._chance.randrange(2)}/f{self._count}.md"

    def _any(self) -> str:
        return self._chance.choice(sorted(self._files))

    def _folder(self) -> tuple[str, Files]:
        folder = self._any().split("/")[0]
        return folder, {path: text for path, text in self._files.items() if path.startswith(folder + "/")}

    def _write(self, line: Line, what: str, path: str, text: str, after: str) -> None:
        body = {"uri": f"{self.root}/{path}", "content": text, "mode": what}
        self._do(what, self._files | {path: after}, lambda: line.ask("POST", "/content/write", body).result)

    def _create(self, line: Line) -> None:
        text = self._words()
        self._write(line, "create", self._path(), text, text)

    def _replace(self, line: Line) -> None:
        text = self._words()
        self._write(line, "replace", self._any(), text, text)

    def _append(self, line: Line) -> None:
        path, text = self._any(), f"\nmore {self._count} " + "and more " * self._chance.choice([1, 1, 2_000]) + "\n"
        self._write(line, "append", path, text, self._files[path] + text)

    def _batch(self, line: Line) -> None:
        new = {f"b{self._count % 3}/{n}-{self._count % 7}.md": f"{self._words()} {n}" for n in range(4)}
        operations = [{"uri": f"{self.root}/{path}", "content": text, "mode": "upsert"} for path, text in new.items()]
        body = {"root_uri": self.root, "operations": operations, "wait": False}
        self._do("batch write", self._files | new, lambda: line.ask("POST", "/content/batch-write", body).result)

    def _mv(self, line: Line) -> None:
        old, new = self._any(), self._path()
        after = {(new if path == old else path): text for path, text in self._files.items()}
        self._move(line, "mv", old, new, after)

    def _mv_folder(self, line: Line) -> None:
        (folder, inside), new = self._folder(), f"m{self._count}"
        rest = {path: text for path, text in self._files.items() if path not in inside}
        moved = {new + path[len(folder) :]: text for path, text in inside.items()}
        self._move(line, "mv folder", folder, new, rest | moved)

    def _move(self, line: Line, what: str, old: str, new: str, after: Files) -> None:
        body = {"from_uri": f"{self.root}/{old}", "to_uri": f"{self.root}/{new}"}
        self._do(what, after, lambda: line.ask("POST", "/fs/mv", body).result)

    def _rm(self, line: Line) -> None:
        gone = self._any()
        after = {path: text for path, text in self._files.items() if path != gone}
        self._do("rm", after, lambda: line.ask("DELETE", "/fs", uri=f"{self.root}/{gone}").result)

    def _rm_folder(self, line: Line) -> None:
        folder, inside = self._folder()
        after = {path: text for path, text in self._files.items() if path not in inside}
        uri = f"{self.root}/{folder}"
        self._do("rm folder", after, lambda: line.ask("DELETE", "/fs", uri=uri, recursive="true").result)

    def recover(self, line: Line) -> None:
        doubt, self._doubt = self._doubt, None
        seen = line.files(self.root)
        assert seen == self._files or (doubt is not None and seen == doubt), (
            f"{self.root}: neither before nor after the request in doubt: {_apart_files(seen, self._files)}; "
            f"{_apart_files(seen, doubt or {})}"
        )
        self._files, self._before = seen, None

    def check(self, line: Line) -> None:
        seen = line.files(self.root)
        assert seen == self._files, f"{self.root}: {_apart_files(seen, self._files)}"


def _apart_files(seen: Files, meant: Files) -> str:
    other = [path for path in meant if path in seen and seen[path] != meant[path]]
    return f"lost {sorted(meant.keys() - seen.keys())}, too many {sorted(seen.keys() - meant.keys())}, other {other}"


class Importer:
    """Imports of small zips, each to a place of its own, and again with other words to the same place."""

    def __init__(self, name: str, chance: random.Random, imports_max: int = 1_000_000) -> None:
        self.root = f"viking://resources/kill-i{name}"
        self.done: Counter[str] = Counter()
        self.imports_left = imports_max
        self._chance = chance
        self._count = 0
        self._places: dict[str, Files] = {}
        self._tasks: dict[str, str] = {}
        self._doubt: tuple[str, Files] | None = None

    def step(self, line: Line) -> None:
        if self.imports_left < 1:
            line.ask("GET", "/health")
            return
        self.imports_left -= 1
        self._count += 1
        again = sorted(self._places) if self._places and self._chance.random() < 0.3 else []
        place = self._chance.choice(again) if again else f"p{self._count}"
        # A first import alone may leave nothing; a repeated one changes what is there file by file, then is done.
        files = {f"g{n % 2}/n{n}.md": f"# Note {n}\n\nzip{self._count}x{n}e says so.\n" for n in range(5)}
        upload = line.upload("notes.zip", zipped(files))
        self._doubt = (place, files)
        body = {"temp_file_id": upload, "to": f"{self.root}/{place}"}
        self._tasks[place] = line.ask("POST", "/resources", body).result["task_id"]
        self._places[place], self._doubt = files, None
        self.done["add again" if again else "add"] += 1

    def recover(self, line: Line) -> None:
        if self._doubt is None:
            return
        (place, files), self._doubt = self._doubt, None
        line.settle()
        seen, before = line.files(f"{self.root}/{place}"), self._places.get(place, {})
        assert seen in (before, files), (
            f"{self.root}/{place}: {_apart_files(seen, before)}; {_apart_files(seen, files)}"
        )
        if seen:
            self._places[place] = seen

    def check(self, line: Line) -> None:
        for place, task_id in self._tasks.items():
            task = line.ask("GET", f"/tasks/{task_id}").result
            assert task["status"] == "completed", f"{self.root}/{place}: {task}"
        for place, files in self._places.items():
            seen = line.files(f"{self.root}/{place}")
            assert seen == files, f"{self.root}/{place}: {_apart_files(seen, files)}"


def run(actor: Actor, line: Line, on_failure: Callable[[BaseException], None]) -> None:
    """Requests until the server has gone; what else goes wrong is reported."""
    try:
        while True:
            actor.step(line)
    except Gone:
        return
    except (AssertionError, KeyError, TypeError, ValueError) as failed:
        on_failure(failed)
    finally:
        line.close()
