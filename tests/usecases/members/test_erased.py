"""A removed member leaves no row, no content and no file."""

from __future__ import annotations

from pathlib import Path

from recalld.app.admin import AdminOperations
from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit
from recalld.domain.job import NewJob
from tests.harness import Harness

MARK = "zanzibar"
DAY_S = 86_400.0


def traces(folder: Path, mark: str) -> list[str]:
    """Files of the store that hold a word anywhere."""
    held = [p for p in folder.rglob("*") if p.is_file() and mark.encode() in p.read_bytes()]
    return [str(p.relative_to(folder)) for p in held]


async def erased(harness: Harness, *, account: bool) -> None:
    admin = AdminOperations(harness.ports, Caller("default", "root", Role.ROOT))
    await admin.create_account("acme", "ben", seed=None, settings={})
    await admin.create_user("acme", "ana", role="user", seed=None, settings={})
    w = Workspace(harness.ports, Caller("acme", "ana", Role.ADMIN), 5.0)
    note = "viking://~/memories/notes/a.md"
    await w.write(note, f"first {MARK}\n")
    for n in range(40):
        await w.write(note, f"{MARK} line {n} of many that grow\n" * 3, mode="append")
    await w.write("viking://~/memories/notes/large.md", f"{MARK} large " * 9_000)
    await w.write("viking://~/memories/notes/large.md", f"{MARK} grown", mode="append")
    await w.write("viking://~/memories/notes/gone.md", f"{MARK} removed before")
    await w.index.set_tags(note, [f"place={MARK}"])
    await w.rm("viking://~/memories/notes/gone.md")
    await w.sessions.append(
        "s", [{"role": "user", "content": f"My dog is called {MARK} and I moved to Lisbon in March 2024."}]
    )
    await w.sessions.commit("s")
    await w.snapshots.commit("all of it")
    late = NewJob("no such kind", "late", {"text": MARK})
    await harness.ports.ledger.tenant(w.caller).commit(Commit((), (late,)))
    await harness.settle()
    await (admin.delete_account("acme") if account else admin.delete_user("acme", "ana"))
    await harness.settle()
    await harness.ports.maintenance.prune(keep_s=30 * DAY_S)
    await harness.ports.compaction.compact()


async def test_a_removed_member_leaves_nothing(harness: Harness) -> None:
    await erased(harness, account=False)
    rows = await harness.ports.ledger.access.read(left)  # type: ignore[attr-defined]
    assert rows == {}


async def test_a_removed_account_leaves_nothing(harness: Harness) -> None:
    await erased(harness, account=True)
    rows = await harness.ports.ledger.access.read(left)  # type: ignore[attr-defined]
    assert rows == {}


def left(c: object) -> dict[str, int]:
    """Rows of any table that hold the word."""
    found = {}
    names = [n for (n,) in c.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'fts%'")]  # type: ignore[attr-defined]
    for name in names:
        rows = [r for r in c.execute(f"SELECT * FROM {name}") if any(MARK in _text(v) for v in r)]  # type: ignore[attr-defined]
        if rows:
            found[name] = len(rows)
    return found


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
