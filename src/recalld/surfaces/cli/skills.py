"""``recalld skills``: manage skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid
from recalld.surfaces.client import segment

from .options import Call, with_client
from .render import echo, note, one_line, show_facts, show_table, style
from .wait import upload
from .zip_folder import packed

app = typer.Typer(help="Add, find and manage skills: folders with a SKILL.md.", rich_markup_mode="rich")
_AT = "/api/v1/skills"
_FILE = "SKILL.md"
_BYTES_MAX = 1_048_576
_DESCRIPTION_SHOWN = 100
_FOREVER = float("inf")

NameArgument = Annotated[str, typer.Argument(help="The skill's name.")]
PathArgument = Annotated[Path, typer.Argument(help="A folder with a SKILL.md, a zip of one, or a SKILL.md.")]
PlaceOption = Annotated[
    str, typer.Option("--place", "-p", help="viking://agent/skills or viking://~/skills (default for add).")
]
WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Wait until abstracts and vectors are complete.")]


@app.command(epilog="Example: recalld skills add ./pdf-forms -p viking://agent/skills")
@with_client
def add(call: Call, path: PathArgument, place: PlaceOption = "", wait: WaitOption = False) -> None:
    """Add a skill with its files. A skill of the same name is replaced."""
    _send(call, "POST", _AT, path, place, wait)


@app.command()
@with_client
def update(
    call: Call, name: NameArgument, path: PathArgument, place: PlaceOption = "", wait: WaitOption = False
) -> None:
    """Replace an existing skill with another of the same name."""
    _send(call, "PUT", _of(name), path, place, wait)


@app.command("list")
@with_client
def list_(
    call: Call,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")] = 1000,
    place: PlaceOption = "",
) -> None:
    """List skills, your own before the agents'."""
    found = call.client.call("GET", _AT, params={"node_limit": limit, "target_uri": place or None}).result
    rows = [(s["name"], one_line(s["description"])[:_DESCRIPTION_SHOWN], s["root_uri"]) for s in found["skills"]]
    call.answer(found, lambda _: show_table(("name", "description", "place"), rows))


@app.command(epilog='Example: recalld skills find "fill in a tax form"')
@with_client
def find(
    call: Call,
    query: Annotated[str, typer.Argument(help="The task, in your own words.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")] = 10,
    threshold: Annotated[
        float | None, typer.Option("--threshold", "-t", help="Only skills with a higher score.")
    ] = None,
    level: Annotated[list[int] | None, typer.Option("--level", "-L", help="0 abstracts, 1 overviews, 2 texts.")] = None,
    place: PlaceOption = "",
) -> None:
    """Find skills for a task, best first."""
    body = {
        "query": query,
        "limit": limit,
        "score_threshold": threshold,
        "level": level or None,
        "target_uri": place or None,
    }
    reply = call.client.call("POST", f"{_AT}/find", body=body, safe=True)
    call.answer(reply.result, lambda _: _show_found(reply.result["skills"]), degraded=list(reply.degraded))


@app.command()
@with_client
def show(
    call: Call,
    name: NameArgument,
    level: Annotated[
        int | None, typer.Option("--level", "-L", min=0, max=2, help="0 abstract, 1 overview, 2 text.")
    ] = None,
    files: Annotated[bool, typer.Option("--files", "-f", help="Show its files with their hashes.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Show the source given by its sender.")] = False,
    content: Annotated[bool, typer.Option("--content", help="Print only the text of its SKILL.md.")] = False,
    place: PlaceOption = "",
) -> None:
    """Show a skill."""
    params = {
        "level": level,
        "include_content": "true" if content else None,
        "include_files": str(files).lower(),
        "include_integrity": str(files).lower(),
        "include_source": str(source).lower(),
        "target_uri": place or None,
    }
    call.answer(
        call.client.call("GET", _of(name), params=params).result,
        lambda shown: echo(shown["content"].rstrip("\n")) if content else _show(shown),
    )


@app.command()
@with_client
def remove(
    call: Call,
    names: Annotated[list[str] | None, typer.Argument(help="Names of skills.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every skill of the directory (with --yes).")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Confirm --all.")] = False,
    place: PlaceOption = "",
) -> None:
    """Remove skills with all their files."""
    params = {"target_uri": place or None}
    if every and not (yes and place):
        raise Invalid("--all removes every skill of one place", remedy="name it with --place and say --yes")
    if bool(names) == every:
        raise Invalid("no skill is named" if not every else "names and --all were both given", remedy="give one")
    chosen = [s["name"] for s in call.client.call("GET", _AT, params=params).result["skills"]] if every else names or []
    call.answer(
        [call.client.call("DELETE", _of(name), params=params).result for name in chosen],
        lambda gone: echo("\n".join(f"removed {one['uri']}" for one in gone) or "there was none"),
    )


@app.command()
@with_client
def validate(
    call: Call,
    path: PathArgument,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
) -> None:
    """Validate a SKILL.md without adding it. Exits with 2 if it is unusable."""
    file = path / _FILE if path.is_dir() else path
    folder = path.resolve().name if path.is_dir() else None
    body = {"data": _text(file), "strict": strict, "skill_dir_name": folder, "source_path": str(path)}
    report = call.client.call("POST", f"{_AT}/validate", body=body, safe=True).result
    usable = report["valid"]
    call.answer(report, _show_report)
    if not usable:
        raise typer.Exit(2)


def _of(name: str) -> str:
    return f"{_AT}/{segment(name, 'skill')}"


def _send(call: Call, method: str, route: str, path: Path, place: str, wait: bool) -> None:
    local = path.expanduser()
    if local.is_dir():
        with packed(local) as pack:
            left_out: Sequence[tuple[str, str]] = pack.skipped
            sent = upload(call, pack.zip, f"sending {local.name}")
    elif local.is_file():
        left_out, sent = (), upload(call, local, f"sending {local.name}")
    else:
        raise Invalid(f"there is no file or folder {path}", remedy="check the path")
    body = {"temp_file_id": sent, "target_uri": place or None, "wait": wait}

    def tell(done: dict[str, Any]) -> None:
        echo(f"{'updated' if done.get('action') == 'update' else 'added'} {done['uri']}")
        for warning in [*done.get("warnings", ()), *(f"left out {p}: {why}" for p, why in left_out)]:
            note(f"  note: {warning}")

    call.answer(
        call.client.call(method, route, body=body, safe=False, timeout_s=_FOREVER).result,
        tell,
        skipped=[{"path": p, "why": why} for p, why in left_out],
    )


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_BYTES_MAX + 1)
    except OSError as unreadable:
        raise Invalid(f"cannot read {file}: {unreadable.strerror}", remedy="check the path") from unreadable
    if len(data) > _BYTES_MAX:
        raise Invalid(f"{file} is larger than {_BYTES_MAX} bytes", remedy="move parts of it beside it")
    return data.decode("utf-8", "replace")


def _show_found(skills: Sequence[Mapping[str, Any]]) -> None:
    for one in skills:
        print(style(f"{float(one['score']):.2f}", "bold", "green"), style(str(one["name"]), "bold"), str(one["uri"]))
        echo("     " + one_line(one["description"]), "dim")
    note(f"{len(skills)} found" if skills else "nothing matched")


def _show(shown: Mapping[str, Any]) -> None:
    facts = {
        key: shown[key] for key in ("name", "description", "tags", "allowed_tools", "uri", "source") if key in shown
    }
    show_facts({key: ", ".join(v) if isinstance(v, list) else v for key, v in facts.items()})
    if shown.get("files"):
        show_table(
            ("path", "kind", "bytes", "sha256"),
            [(f["path"], f["kind"], f.get("size", ""), f.get("sha256", "")) for f in shown["files"]],
        )
    text = shown.get("content") or shown.get("overview")
    if text:
        print()
        echo(str(text).rstrip("\n"))


def _show_report(report: Mapping[str, Any]) -> None:
    for finding in [*report["errors"], *report["warnings"]]:
        colour = "red" if finding["severity"] == "error" else "yellow"
        print(style(f"{finding['severity']:<8}", colour), style(str(finding["message"])))
    echo(f"{report['name'] or 'the skill'} {'is fine' if report['valid'] else 'cannot be used'}")
