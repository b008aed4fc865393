"""``make demo``: a real server, a real folder, a real conversation, ten questions. Leaves nothing running."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from demo_corpus import Corpus, gather
from demo_server import Server, served
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from recalld.domain.errors import RecalldError
from recalld.surfaces.cli.progress import counts
from recalld.surfaces.cli.render import hits_of, one_line, source_words
from recalld.surfaces.cli.zip_folder import packed
from recalld.surfaces.client import Client

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / ".demo"
ROOT = "viking://resources/demo"
WAIT_S = 110.0
"""More than all of the demo should take; past this something hangs, and the demo says so."""
SHOWN = 2
TIERS = {0: "L0 abstract", 1: "L1 overview", 2: "L2 text"}


@dataclass(frozen=True)
class Question:
    """One question, what it is about, and where to look ("" = everywhere)."""

    about: str
    text: str
    target: str = ""


QUESTIONS = (
    Question("the documents", "how do I start the server and where does it keep its data"),
    Question("the code", "bounded thread pool that refuses with Busy when it is saturated"),
    Question("the code", "which function refuses to write outside of resources and the user's own tree"),
    Question("the licences", "may I redistribute numpy in binary form without its copyright notice"),
    Question("the licences", "Mozilla Public License certificates"),
    Question("the conversation", "what is Mara allergic to", "viking://~/sessions"),
    Question("the conversation", "why was the opening day moved"),
    Question("the conversation", "陈雯的妈妈什么时候从成都到"),
    Question("the conversation", "店里的招牌茶是什么，供应商是谁"),
    Question("what was made memory", "how many guests came on the opening day", "viking://~/memories"),
)


def main() -> int:
    """Run it all; 0 if every question found something."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    try:
        with served(FOLDER) as server:
            return _tour(out, server)
    except RecalldError as failed:
        out.print(f"[bold red]the demo failed:[/] {failed}")
        return 1
    except KeyboardInterrupt:
        out.print("stopped; nothing is left running")
        return 130


def _tour(out: Console, server: Server) -> int:
    out.rule("[bold]recalld")
    out.print(f"A server answers at {server.url}, [bold]{server.started_s:.1f} s[/] after its start.")
    with Client(server.url) as client:
        memory = {"idle": server.memory_mb()}
        corpus = gather(PROJECT, FOLDER / "corpus")
        import_s = _import(out, client, corpus)
        recorded = _converse(out, client)
        _settle(out, client)
        found, times = _ask(out, client)
        memory["after it all"] = server.memory_mb()
        _sum_up(out, client, corpus, import_s, recorded, times, memory)
    missing = len(QUESTIONS) - found
    if missing:
        out.print(f"[bold red]{missing} of {len(QUESTIONS)} questions found nothing.[/]")
        return 1
    return 0


def _import(out: Console, client: Client, corpus: Corpus) -> float:
    kinds = ", ".join(f"{count} {kind}" for kind, count in corpus.counts.items())
    out.print(f"\nIt imports [bold]{corpus.files} files[/] ({kinds}) to {ROOT}.")
    began = time.monotonic()
    with packed(corpus.folder) as pack, _bar(out, "importing", corpus.files) as step:
        upload = client.upload(pack.zip)
        begun = client.add(temp_file_id=upload, name="demo.zip", to=ROOT)
        _await(client, "the import", str(begun["task_id"]), lambda seen: step(counts(seen)[0]))
        step(corpus.files)
    took = time.monotonic() - began
    out.print(f"All of it can be found after {took:.1f} s ({corpus.files / took:.0f} files/s).")
    return took


def _converse(out: Console, client: Client) -> tuple[int, int]:
    """Record and commit every session; returns how many messages and sessions."""
    conversation = json.loads((PROJECT / "examples" / "conversation.json").read_text(encoding="utf-8"))
    sessions = conversation["sessions"]
    messages = sum(len(session["messages"]) for session in sessions)
    out.print(f"\nTwo people and an assistant talk: [bold]{messages} messages[/] in {len(sessions)} sessions.")
    tasks = []
    with _bar(out, "recording", messages) as step:
        count = 0
        for session in sessions:
            client.sessions.append(session["id"], session["messages"])
            count += len(session["messages"])
            step(count)
            tasks.append(client.sessions.commit(session["id"])["task_id"])
    for task_id in tasks:
        _await(client, "a commit", task_id)
    return messages, len(sessions)


def _await(client: Client, what: str, task_id: str, step: Callable[[dict[str, Any]], None] = lambda seen: None) -> None:
    """Wait for a task; ends the demo if it fails or hangs."""
    until = time.monotonic() + WAIT_S

    def seen(task: dict[str, Any]) -> None:
        step(task)
        if time.monotonic() > until:
            raise SystemExit(f"{what} hangs at {task.get('stage') or task['status']}; see {FOLDER / 'server.log'}")

    task = client.tasks.wait(task_id, on_state=seen)
    if task["status"] != "completed":
        raise SystemExit(f"{what} {task['status']}: {task.get('error')}")


def _settle(out: Console, client: Client) -> None:
    began = time.monotonic()
    with _spinner(out, "abstracts, overviews and vectors follow"):
        client.wait(WAIT_S)
    out.print(f"Abstracts, overviews, vectors and memories are made ({time.monotonic() - began:.1f} s more).\n")


def _ask(out: Console, client: Client) -> tuple[int, list[float]]:
    """Ask all; returns how many found something, and the milliseconds each took."""
    found, times = 0, []
    for number, question in enumerate(QUESTIONS, 1):
        began = time.perf_counter()
        reply = client.find(question.text, target_uri=question.target, limit=5, provenance=True)
        took_ms = (time.perf_counter() - began) * 1000
        times.append(took_ms)
        hits = hits_of(reply.result)[:SHOWN]
        found += bool(hits)
        where = f" in {question.target}" if question.target else ""
        out.print(
            Text.assemble((f"{number:>2}  {question.text}", "bold"), (f"   about {question.about}{where}", "dim"))
        )
        _show(out, hits, reply.result)
        missing = f", without {', '.join(reply.degraded)}" if reply.degraded else ""
        server = f"{reply.server_s * 1000:.1f} ms in the server" if reply.server_s else ""
        out.print(Text(f"    {took_ms:.1f} ms, {server}{missing}\n", style="dim"))
    return found, times


def _show(out: Console, hits: list[dict[str, Any]], result: dict[str, Any]) -> None:
    if not hits:
        _indented(out, Text("nothing was found", style="bold red"), 4)
    sources = {entry["uri"]: entry.get("sources") or [] for entry in result.get("provenance") or []}
    for hit in hits:
        tier = TIERS.get(int(hit["level"]), f"L{hit['level']}")
        # An address is never folded: it is there to be copied.
        out.print(Text(f"    {float(hit['score']):.2f}", style="bold green"), end=" ")
        out.print(Text.assemble((tier, "cyan"), f"  {hit['uri']}"), soft_wrap=True)
        if hit.get("abstract"):
            _indented(out, Text(one_line(hit["abstract"]), style="italic"), 9)
        others = [source for source in sources.get(hit["uri"], []) if source.get("uri") != hit["uri"]]
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            out.print(Text(f"         from {source_words(others[0])}{more}", style="dim"), soft_wrap=True)


def _indented(out: Console, text: Text, columns: int) -> None:
    """Folded at the console's width, every line moved in."""
    for line in text.wrap(out, out.width - columns):
        line.rstrip()
        out.print(Text(" " * columns) + line)


def _sum_up(
    out: Console,
    client: Client,
    corpus: Corpus,
    import_s: float,
    recorded: tuple[int, int],
    times: list[float],
    memory: dict[str, dict[str, float]],
) -> None:
    memories = [uri for uri in client.glob("**/*.md", "viking://~", limit=1000) if "/memories/" in uri]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("files imported", f"{corpus.files} in {import_s:.1f} s")
    table.add_row(
        "messages recorded", f"{recorded[0]} in {recorded[1]} sessions, {len(memories)} memories made of them"
    )
    table.add_row("pieces that can be found", f"{client.count()}")
    table.add_row(
        "a question takes", f"{statistics.median(times):.1f} ms (median of {len(times)}, the slowest {max(times):.0f})"
    )
    for when, shares in memory.items():
        parts = ", ".join(f"{name} {size:.0f} MB" for name, size in shares.items())
        table.add_row(f"memory, {when}", f"{sum(shares.values()):.0f} MB ({parts})")
    out.rule("[bold]in numbers")
    out.print(table)


@contextmanager
def _bar(out: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal) as bar:
        row = bar.add_task(title, total=total)
        yield lambda done: bar.update(row, completed=done)


@contextmanager
def _spinner(out: Console, title: str) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn(title), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        bar.add_task(title, total=None)
        yield


if __name__ == "__main__":
    raise SystemExit(main())
