"""A store with damaged files: damaged contents, damaged indexes, lost and foreign blobs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from recalld.adapters.blobs.files import FileBlobs
from recalld.adapters.sqlite.ledger.ledger import SqliteLedger, open_ledger
from recalld.app.engine import Engine
from recalld.domain.commit import INLINE_BYTES_MAX
from recalld.domain.errors import Corrupt
from recalld.infra.thread_pool import Pool
from tests.fakes.clock import MemoryClock

pytestmark = pytest.mark.loop_may_block  # the tests damage files themselves
A, LARGE = "viking://resources/a.md", "viking://resources/large.md"
TEXT = "# plan\nmeet at the northern gate at six"
LONG = "".join(f"line {n} of the northern gate\n" for n in range(INLINE_BYTES_MAX // 20))


@asynccontextmanager
async def opened(data: Path, kind: str = "none") -> AsyncIterator[Engine]:
    async with Engine.open(data, worker="none", embedder={"provider": kind}) as engine:
        yield engine


async def until(
    engine: Engine, holds: Callable[[Mapping[str, str]], bool], again: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Wait for what housekeeping does by itself; ``again``: not as rarely as it would."""
    async with asyncio.timeout(20):
        while not holds((await engine.readiness()).checks):
            await asyncio.sleep(0.01)
            if again is not None:
                await again()


async def fill(data: Path) -> None:
    async with opened(data) as engine:
        await engine.write(A, TEXT)
        await engine.write(LARGE, LONG)
        for n in range(30):
            await engine.write(f"viking://resources/f{n}.md", f"# file {n}\nuniqueword{n} lorem ipsum dolor " * 8)


async def embed(data: Path) -> None:
    async with Engine.open(data, worker="inside", embedder={"provider": "hash"}) as engine:
        await engine.write("viking://resources/x.md", "with this everything is embedded")
        await engine.wait(timeout_s=60)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that ``data`` copies: written once, in 200 ms."""
    data = tmp_path_factory.mktemp("filled") / "data"
    asyncio.run(fill(data))
    return data


@pytest.fixture(scope="module")
def filled_with_vectors(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = shutil.copytree(filled, tmp_path_factory.mktemp("embedded") / "data")
    asyncio.run(embed(data))
    return data


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    """A closed store with a small file, a large one and a few more."""
    return shutil.copytree(filled, tmp_path / "data")


@pytest.fixture
def data_with_vectors(filled_with_vectors: Path, tmp_path: Path) -> Path:
    """The same with one more file, and all vectors."""
    return shutil.copytree(filled_with_vectors, tmp_path / "data")


def change_content(data: Path) -> None:
    c = sqlite3.connect(data / "recalld.db")
    sql = (
        "UPDATE blob SET data = CAST(replace(CAST(data AS TEXT), 'northern', 'southern') AS BLOB) WHERE instr(data, ?)"
    )
    assert c.execute(sql, (b"northern",)).rowcount == 1
    c.execute("DELETE FROM meta WHERE key = 'verify_began'")  # a day has passed
    c.commit()
    c.close()


def blob_files(data: Path) -> list[Path]:
    return [p for p in (data / "blobs").glob("*/*/*") if not p.name.startswith(".")]


def zero_page(data: Path, table: str, fill: bytes = b"\0") -> None:
    c = sqlite3.connect(data / "recalld.db")
    ((size,),) = c.execute("PRAGMA page_size")
    ((page,),) = c.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
    c.close()
    with (data / "recalld.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(fill * size)


@asynccontextmanager
async def open_ledger_of(data: Path) -> AsyncIterator[SqliteLedger]:
    """The ledger alone, on a standing clock: nothing happens by itself."""
    pool = Pool("blobs", running_max=2, waiting_max=64)
    ledger = await open_ledger(data, blobs=FileBlobs(data / "blobs", pool), clock=MemoryClock())
    try:
        yield ledger
    finally:
        await ledger.close()
        pool.close()


# ------------------------------------------------------------------ contents
async def test_a_changed_content_is_refused_by_name_wherever_it_is_read(data: Path) -> None:
    change_content(data)
    async with opened(data) as engine:
        with pytest.raises(Corrupt, match=f"content of {A} is damaged"):
            await engine.read(A)
        with pytest.raises(Corrupt, match=A):
            await engine.grep("viking://resources", "southern")
        assert (await engine.read("viking://resources/f1.md")).startswith("# file 1")


@pytest.mark.parametrize("damage", [Path.unlink, lambda p: p.write_bytes(b"other")], ids=["missing", "changed"])
async def test_a_damaged_blob_is_refused_by_name(data: Path, damage: Callable[[Path], object]) -> None:
    (blob,) = blob_files(data)
    damage(blob)
    async with opened(data) as engine:
        with pytest.raises(Corrupt, match=f"content of {LARGE} is damaged"):
            await engine.read(LARGE)


async def test_every_damaged_content_and_blob_is_found_by_a_check(data: Path) -> None:
    change_content(data)
    (blob,) = blob_files(data)
    blob.write_bytes(b"other")
    async with opened(data) as engine:
        found = await engine.check()
        assert sorted(found) == [f"the content of {uri} is damaged" for uri in (A, LARGE)]
        assert await engine.check(contents=False) == []
        assert sorted(await engine.check(repair=True)) == sorted(found)  # nothing can be made of nothing


async def test_damage_is_found_by_itself_stands_in_readiness_and_goes_with_its_cause(data: Path) -> None:
    change_content(data)
    async with opened(data) as engine:
        await until(engine, lambda checks: checks["content"].startswith("1 contents are damaged"))
        assert A not in str(await engine.readiness())  # readiness is told to everybody
        await engine.write(A, "new words")
        await engine._ports.maintenance.prune(keep_s=0)
        await engine._housekeeping._maintenance.verify()
        assert (await engine.readiness()).checks["content"] == "ok"


async def test_a_pass_over_all_contents_begins_once_a_day_and_goes_on_after_a_restart(data: Path) -> None:
    c = sqlite3.connect(data / "recalld.db")
    c.execute("DELETE FROM meta WHERE key IN ('verify_began', 'verified_to')")
    c.commit()
    c.close()
    seen = 0
    for _ in range(2):  # a slice, then a restart
        async with open_ledger_of(data) as ledger:
            done = await ledger.maintenance.verify_today(bytes_max=1)
            seen += done.contents
    again = done
    while done.after:
        async with open_ledger_of(data) as ledger:
            for _ in range(20):
                done = await ledger.maintenance.verify_today(bytes_max=1)
                seen += done.contents
                if not done.after:
                    again = await ledger.maintenance.verify_today(bytes_max=1)
                    break
    c = sqlite3.connect(data / "recalld.db")
    ((contents,),) = c.execute("SELECT count(*) FROM blob")
    c.close()
    assert (seen, again.contents) == (contents, 0)
    async with open_ledger_of(data) as ledger:
        ledger.access.clock.advance(86_401)  # type: ignore[attr-defined]
        assert (await ledger.maintenance.verify_today(bytes_max=1)).contents == 1


# ------------------------------------------------------------------ blobs of another store
async def test_blobs_this_store_never_named_are_set_aside_and_found_again(data: Path, tmp_path: Path) -> None:
    (blob,) = blob_files(data)
    whole = (data / "recalld.db").read_bytes()
    os.utime(blob, (1, 1))
    (data / "recalld.db").unlink()
    async with opened(tmp_path / "other") as engine:
        await engine.write(A, "of another store")
    (data / "recalld.db").write_bytes((tmp_path / "other" / "recalld.db").read_bytes())
    async with opened(data) as engine:
        await engine._ports.maintenance.prune(keep_s=0)
    assert blob_files(data) == []
    assert (data / "lost+found" / blob.name).is_file()
    (data / "recalld.db").write_bytes(whole)
    async with opened(data) as engine:
        assert await engine.check() == []
        assert await engine.read(LARGE) == LONG


async def test_content_beyond_retention_is_deleted(data: Path) -> None:
    (blob,) = blob_files(data)
    os.utime(blob, (1, 1))
    async with opened(data) as engine:
        await engine.rm(LARGE)
        while await engine._ports.cleanup.purge(nodes_max=50):
            pass
        await engine._ports.maintenance.prune(keep_s=0)
    assert not blob.exists()
    assert not (data / "lost+found").exists()


# ------------------------------------------------------------------ derived indexes
@pytest.mark.parametrize("fill", [b"\0", b"\xa5"])
@pytest.mark.parametrize("table", ["fts_data", "fts_docsize", "fts_idx", "fts_config"])
async def test_damaged_full_text_costs_that_part_alone_and_is_rebuilt_by_itself(
    data_with_vectors: Path, table: str, fill: bytes
) -> None:
    zero_page(data_with_vectors, table, fill)
    async with opened(data_with_vectors, "hash") as engine:
        answer = await engine.find("lorem ipsum")
        if table != "fts_docsize":  # which no search reads
            assert "lexicon" in answer.degraded
        try:
            await engine.write("viking://resources/during.md", "written while damaged")
        except Corrupt:
            assert "store" in engine._ports.derived.suspects
        engine._housekeeping._maintenance._examined_at = -1e9
        await engine._housekeeping.round()
        await engine.write("viking://resources/later.md", "heronword")
        for word in ("uniqueword7", "heronword"):
            answer = await engine.find(word)
            assert (answer.degraded, bool(answer.hits)) == ((), True)
        check = (await engine.readiness()).checks["lexicon"]
        assert check.startswith("was damaged and has been rebuilt")
        engine._housekeeping._maintenance._recreated_at["lexicon"] -= 601
        assert (await engine.readiness()).checks["lexicon"] == "ok"


async def test_while_full_text_is_rebuilt_recall_says_so_and_readiness_names_it(data: Path) -> None:
    async with opened(data) as engine:
        rebuilding = engine._ports.rebuilding
        assert rebuilding is not None
        await rebuilding.recreate("lexicon")
        assert (await engine.readiness()).checks["lexicon"] == "damaged, being rebuilt"
    async with opened(data) as engine:  # a restart goes on with it
        await engine._housekeeping.round()
        assert (await engine.find("uniqueword7")).degraded == ()


async def test_damaged_vectors_are_made_again_from_what_is_there(data_with_vectors: Path) -> None:
    async with opened(data_with_vectors, "hash") as engine:
        vectors = (await engine.usage()).vectors
        assert vectors > 30
    zero_page(data_with_vectors, "vector", b"\xa5")
    async with Engine.open(data_with_vectors, worker="inside", embedder={"provider": "hash"}) as engine:
        answer = await engine.find("lorem ipsum")
        assert (answer.degraded, bool(answer.hits)) == (("vectors",), True)
        await engine._housekeeping.round()
        async with asyncio.timeout(60):
            while (await engine.usage()).vectors < vectors:
                await asyncio.sleep(0.01)
        assert (await engine.find("lorem ipsum")).degraded == ()


@pytest.mark.parametrize("table", ["fts_data", "vector"])
async def test_a_repair_leaves_a_consistent_store(data_with_vectors: Path, table: str) -> None:
    zero_page(data_with_vectors, table, b"\xa5")
    async with opened(data_with_vectors, "hash") as engine:
        assert await engine.check() != []
        await engine.check(repair=True)
        assert await engine.check() == []
        assert (await engine.find("uniqueword7")).hits


# ------------------------------------------------------------------ tables and indexes
def damage_inside(data: Path, name: str, fill: bytes = b"\xa5") -> None:
    """Overwrite a leaf page of a table or an index: its root where it is a page alone."""
    c = sqlite3.connect(data / "recalld.db")
    ((size,),) = c.execute("PRAGMA page_size")
    pages = [p for (p,) in c.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (name,))]
    c.close()
    with (data / "recalld.db").open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * size)
        file.write(fill * size)


@pytest.fixture
async def embedded(tmp_path: Path) -> Path:
    """A closed store with files, directories, talk and their vectors."""
    async with Engine.open(tmp_path / "data", worker="inside", embedder={"provider": "hash"}) as engine:
        for n in range(60):
            await engine.write(
                f"viking://resources/d{n % 3}/f{n}.md", f"# file {n}\nuniqueword{n} lorem ipsum dolor " * 8
            )
        for n in range(5):
            await engine.sessions.append("s", [{"role": "user", "content": f"talkword{n} about herons", "id": f"m{n}"}])
        await engine.wait(timeout_s=60)
    return tmp_path / "data"


async def rows_of(engine: Engine) -> dict[str, int]:
    tables = ("node", "chunk", "tier", "vector", "message", "fts_docsize")
    ledger = engine._ports.ledger
    assert isinstance(ledger, SqliteLedger)
    counted = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    found = await ledger.access.read(lambda c: c.execute(f"SELECT {counted}").fetchall())
    return {table: int(str(count)) for table, count in zip(tables, found[0], strict=True)}


async def rows_in(data: Path) -> dict[str, int]:
    async with opened(data, "hash") as engine:
        return await rows_of(engine)


async def everything_is_found(engine: Engine) -> None:
    for word in (*(f"uniqueword{n}" for n in range(60)), *(f"talkword{n}" for n in range(5))):
        answer = await engine.find(word)
        assert (answer.degraded, bool(answer.hits)) == ((), True), word
    assert engine._ports.compaction is not None
    await engine._ports.compaction.rewrite()  # frees the damaged pages
    assert await engine.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("table", ["chunk", "tier"])
@pytest.mark.parametrize("where", [zero_page, damage_inside], ids=["root", "leaf"])
async def test_a_damaged_derived_table_degrades_and_is_made_again_by_itself(
    embedded: Path, table: str, where: Callable[[Path, str], None]
) -> None:
    before = await rows_in(embedded)
    where(embedded, table)
    async with Engine.open(embedded, worker="inside", embedder={"provider": "hash"}) as engine:
        answers = [await engine.find(f"uniqueword{n}") for n in range(60)]
        assert ("catalog",) in {answer.degraded for answer in answers}
        assert table == "chunk" or all(answer.hits for answer in answers)
        assert (await engine.readiness()).checks["catalog"] != "ok" or "store" in engine._ports.derived.suspects
        await until(engine, lambda checks: "has been rebuilt" in checks["catalog"], engine._housekeeping.round)
        await engine.wait(timeout_s=60)
        await everything_is_found(engine)
        assert await rows_of(engine) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "index", ["chunk_follow", "chunk_node", "node_place", "node_follow", "session_owner", "sqlite_autoindex_owner_1"]
)
async def test_a_damaged_index_of_a_table_degrades_and_is_made_again_by_itself(embedded: Path, index: str) -> None:
    before = await rows_in(embedded)
    zero_page(embedded, index)
    async with Engine.open(embedded, worker="inside", embedder={"provider": "hash"}) as engine:
        with suppress(Corrupt):
            answer = await engine.find("uniqueword7")
            assert answer.hits or answer.degraded == ("catalog",)
        engine._ports.derived.suspects.add("store")
        await until(engine, lambda checks: "has been rebuilt" in checks["catalog"], engine._housekeeping.round)
        await engine.wait(timeout_s=60)
        assert await rows_of(engine) == before
        await everything_is_found(engine)


@pytest.mark.slow
async def test_a_salvage_that_was_killed_goes_on_at_the_next_start(embedded: Path) -> None:
    before = await rows_in(embedded)
    damage_inside(embedded, "chunk")
    async with open_ledger_of(embedded) as ledger:
        assert "chunks" in await ledger.rebuilding.examine()
        await ledger.rebuilding.recreate("chunks")
    async with opened(embedded, "hash") as engine:
        assert (await engine.find("uniqueword7")).degraded == ("catalog",)
        assert "chunks" in (await engine.readiness()).checks["catalog"]
    async with Engine.open(embedded, worker="inside", embedder={"provider": "hash"}) as engine:
        await until(engine, lambda checks: checks["catalog"] == "ok", engine._housekeeping.round)
        await engine.wait(timeout_s=60)
        assert await rows_of(engine) == before
        await everything_is_found(engine)


@pytest.mark.slow
async def test_chunks_that_can_be_read_keep_their_vectors(embedded: Path) -> None:
    vectors = (await rows_in(embedded))["vector"]
    damage_inside(embedded, "chunk")
    async with opened(embedded, "hash") as engine:
        await engine.check(repair=True)
        assert 0 < (await rows_of(engine))["vector"] < vectors
        assert (await engine.find("uniqueword7")).degraded == ("catalog",)  # until a worker has made the rest


async def test_a_damaged_table_with_content_is_named_with_the_remedy(embedded: Path) -> None:
    zero_page(embedded, "node")
    async with opened(embedded, "hash") as engine:
        assert "the table node is damaged; restore a backup" in await engine.check(contents=False)
        assert "node" in (await engine.readiness()).checks["catalog"]
        with pytest.raises(Corrupt, match="is damaged"):
            await engine.find("uniqueword7")


# ------------------------------------------------------------------ what is removed
async def test_purged_text_is_in_no_file_of_the_data_folder(tmp_path: Path) -> None:
    words = (b"erasemefile", b"erasemetalk", b"erasemelarge")

    def left() -> set[str]:
        files = [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
        return {f"{p.name} {w!r}" for p in files for w in words if w in p.read_bytes().lower()}

    async with Engine.open(
        tmp_path / "data", worker="inside", embedder={"provider": "hash"}, storage={"history_retention_days": 0}
    ) as engine:
        for n in range(40):
            await engine.write(f"viking://resources/kept{n}.md", f"kept words {n} " * 100)
        await engine.write("viking://resources/f.md", "ERASEMEFILE words of the past " * 40)
        await engine.write("viking://resources/f.md", "ERASEMEFILE words of the past, changed")
        await engine.write("viking://resources/large.md", "ERASEMELARGE line\n" * 8_000)
        for n in range(20):
            await engine.sessions.append("e", [{"role": "user", "content": f"ERASEMETALK {n} " * 20}])
        await engine.wait(timeout_s=60)
        assert left()
        await engine.rm("viking://resources/f.md")
        await engine.rm("viking://resources/large.md")
        await engine.sessions.delete("e")
        await engine.wait(timeout_s=60)
        for blob in blob_files(tmp_path / "data"):
            os.utime(blob, (1, 1))  # the sweep leaves files of the last hour alone
        await engine._housekeeping._sweep()
        assert (await engine.find("kept words")).hits
    assert left() == set()


# ------------------------------------------------------------------ contents that grew by appends
async def test_a_damaged_segment_of_a_grown_file_is_refused_by_name_and_found_by_a_check(data: Path) -> None:
    async with opened(data) as engine:
        await engine.write("viking://resources/log.md", "# log\n")
        for n in range(30):
            await engine.write("viking://resources/log.md", f"line {n} of the eastern gate\n" * 4, mode="append")
    c = sqlite3.connect(data / "recalld.db")
    changed = c.execute(
        "UPDATE segment SET data = CAST(replace(CAST(data AS TEXT), 'line 29', 'line 92') AS BLOB) WHERE instr(data, ?)",
        (b"line 29",),
    ).rowcount
    c.commit()
    c.close()
    assert changed == 1
    async with opened(data) as engine:
        with pytest.raises(Corrupt, match="content of viking://resources/log.md is damaged"):
            await engine.read("viking://resources/log.md")
        assert "the content of viking://resources/log.md is damaged" in await engine.check()


# ------------------------------------------------------------------ what hangs on what
@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("INSERT INTO trash (node, at) VALUES (99999, 0)", "1 removed entries without a node"),
        ("INSERT INTO trash (node, at) SELECT max(id), 0 FROM node WHERE gone = 0", "1 removed entries that live"),
        ("INSERT INTO grown VALUES ('ab', 3, 999)", "1 grown contents without their stream"),
        ("INSERT INTO stream (base, begins, size) VALUES ('', 0, 3)", "1 streams without a version"),
        ("INSERT INTO segment VALUES (999, 0, x'00')", "1 segments without a stream"),
    ],
)
async def test_rows_that_hang_on_nothing_are_named_and_removed(data: Path, damage: str, finding: str) -> None:
    c = sqlite3.connect(data / "recalld.db")
    c.execute(damage)
    c.commit()
    c.close()
    async with open_ledger_of(data) as ledger:
        assert finding in await ledger.maintenance.check()
        await ledger.maintenance.check(repair=True)
        assert await ledger.maintenance.check() == []


async def test_a_removed_node_that_is_not_listed_is_listed_again(data: Path) -> None:
    async with open_ledger_of(data) as ledger:
        await ledger.access.write(lambda c: c.execute("UPDATE node SET gone = 5 WHERE name = 'f3.md'").fetchall())
        assert "1 removed nodes that are not listed" in await ledger.maintenance.check()
        await ledger.maintenance.check(repair=True)
        assert await ledger.maintenance.check() == []
