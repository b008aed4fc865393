"""Builds an index of messages and files as the ledger does, for tests and measurements of search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import apsw
import numpy as np

from recalld.adapters.sqlite.database.connection import connect
from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.domain.document import Chunk, Document, Tiers
from recalld.domain.uri import Uri
from recalld.infra.thread_pool import Pool
from recalld.rules.chunks import chunks_of_file, chunks_of_message, chunks_of_tiers
from recalld.rules.partition_terms import qualified_term
from recalld.rules.transcript_header import transcript_header

T = TypeVar("T")


class IndexBuilder:
    """One account's index, in memory or in a file. Addresses are parts of a path; missing directories are created."""

    def __init__(self, account: str = "default", *, file: Path | None = None) -> None:
        self.c = apsw.Connection(":memory:") if file is None else connect(file, readonly=False)
        for script in MIGRATIONS.values():
            self.c.execute(script)
        self.pool = Pool("index-builder", running_max=1, waiting_max=64)
        self.account = account
        self.seq = 0
        self.texts: dict[int, str] = {}
        self.root = self._node(0, account, 0, self.partition_id(""))

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """The reader the adapters expect: on a thread of its own, as the store's are."""
        return await self.pool.run(fn, self.c)

    def partition_id(self, user: str) -> int:
        """Return the id of a partition."""
        self.c.execute("INSERT OR IGNORE INTO owner (account, user) VALUES (?, ?)", (self.account, user))
        return int(
            self.c.execute("SELECT id FROM owner WHERE account = ? AND user = ?", (self.account, user)).fetchone()[0]
        )

    def at(self, uri: Uri) -> int:
        """Return the directory at this address, created if missing."""
        node, partition_id = self.root, self.partition_id("")
        for depth, name in enumerate(uri.parts):
            if uri.parts[0] == "user" and depth == 1:
                partition_id = self.partition_id(name)
            row = self.c.execute(
                "SELECT id FROM node WHERE parent = ? AND name = ? AND gone = 0", (node, name)
            ).fetchone()
            node = int(row[0]) if row else self._node(node, name, 0, partition_id)
        return node

    def file(
        self,
        uri: Uri,
        text: str,
        *,
        tags: Sequence[str] = (),
        tiers: Tiers | None = None,
        source: str = "{}",
        at: float = 0.0,
    ) -> int:
        """Write or rewrite a file."""
        parent = self.at(uri.parent)
        partition_id = self._partition_of(parent)
        head = transcript_header(text)
        row = self.c.execute(
            "SELECT id, version FROM node WHERE parent = ? AND name = ? AND gone = 0", (parent, uri.name)
        ).fetchone()
        if row:
            node, version = int(row[0]), int(row[1]) + 1
            self.drop_chunks(node)
            self.seq += 1
            self.c.execute("UPDATE node SET version = ?, seq = ? WHERE id = ?", (version, self.seq, node))
        else:
            node, version = (
                self._node(parent, uri.name, 1, partition_id, speaker=head.speaker if head else "", at=at),
                1,
            )
        self.c.execute("UPDATE node SET tags = ?, source = ? WHERE id = ?", (json.dumps(list(tags)), source, node))
        chunks = [*chunks_of_file(uri, Document("text/plain", text)), *(chunks_of_tiers(uri, tiers) if tiers else ())]
        if tiers:
            self.c.execute(
                "INSERT OR REPLACE INTO tier VALUES (?, ?, ?, ?, 'x')", (node, version, tiers.abstract, tiers.overview)
            )
        self._chunks(
            partition_id,
            node,
            version,
            0,
            chunks,
            node,
            0,
            (head.at or 0.0) if head else at,
            head.speaker if head else "",
            text,
        )
        return node

    def add_turns(self, user: str, session: str, turns: Iterable[tuple[str, str, str, float]]) -> list[int]:
        """Append turns (id, speaker, text, at) to a session."""
        directory = self.at(Uri(("user", user, "sessions", session, "messages")))
        group = self.at(Uri(("user", user, "sessions", session)))
        partition_id = self.partition_id(user)
        last = self.c.execute('SELECT max(id) FROM chunk WHERE "group" = ?', (group,)).fetchone()[0] or 0
        nodes = []
        for ordinal, (name, speaker, text, at) in enumerate(turns):
            node = self._node(directory, f"{name}.md", 2, partition_id, speaker=speaker, at=at)
            self.c.execute(
                "INSERT INTO message (node, session, ordinal, id, role, parts, text, created_at, at) VALUES (?,?,?,?,?,?,?,?,?)",
                (node, group, node * 1000 + ordinal, name, "user", "[]", text, "", at),
            )
            last = self._chunks(
                partition_id, node, 1, 1, chunks_of_message(text, speaker, at), group, last, at, speaker, text
            )
            nodes.append(node)
        return nodes

    def remove(self, uri: Uri) -> None:
        """Tombstone what lies at an address."""
        self.seq += 1
        parent = self.at(uri.parent)
        self.c.execute(
            "UPDATE node SET gone = ?, seq = ? WHERE parent = ? AND name = ? AND gone = 0",
            (self.seq, self.seq, parent, uri.name),
        )

    def vectors(self, fingerprint: str, width: int, rows: dict[int, np.ndarray]) -> None:
        """Store vectors by chunk id."""
        self.c.execute("INSERT OR IGNORE INTO model (fingerprint, width) VALUES (?, ?)", (fingerprint, width))
        model = self.c.execute("SELECT id FROM model WHERE fingerprint = ?", (fingerprint,)).fetchone()[0]
        with self.c:
            self.c.executemany(
                "INSERT OR REPLACE INTO vector (owner, chunk, model, data) SELECT owner, id, ?, ? FROM chunk WHERE id = ?",
                [(model, np.asarray(v, "<f2").tobytes(), k) for k, v in rows.items()],
            )

    def drop_chunks(self, node: int) -> None:
        """Delete a node's chunks and what hangs on them."""
        for chunk, partition_id, length in self.c.execute(
            "SELECT id, owner, length FROM chunk WHERE node = ?", (node,)
        ).fetchall():
            self.c.execute("DELETE FROM fts WHERE rowid = ?", (chunk,))
            self.c.execute("DELETE FROM vector WHERE chunk = ?", (chunk,))
            self.c.execute(
                "UPDATE owner SET chunks = chunks - 1, terms = terms - ? WHERE id = ?", (length, partition_id)
            )
        self.c.execute("DELETE FROM chunk WHERE node = ?", (node,))

    def _node(self, parent: int, name: str, kind: int, partition_id: int, *, speaker: str = "", at: float = 0.0) -> int:
        self.seq += 1
        self.c.execute(
            "INSERT INTO node (parent, name, kind, owner, seq, created, updated, speaker) VALUES (?,?,?,?,?,?,?,?)",
            (parent, name, kind, partition_id, self.seq, at, at, speaker),
        )
        return self.c.last_insert_rowid()

    def _partition_of(self, node: int) -> int:
        return int(self.c.execute("SELECT owner FROM node WHERE id = ?", (node,)).fetchone()[0])

    def _chunks(
        self,
        partition_id: int,
        node: int,
        version: int,
        kind: int,
        chunks: Sequence[Chunk],
        group: int,
        last: int,
        at: float,
        speaker: str,
        text: str,
    ) -> int:
        for chunk in chunks:
            self.c.execute(
                'INSERT INTO chunk (owner, node, version, level, kind, start, "end", length, "group", previous, at, speaker, asks, '
                "terms, traits) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    partition_id,
                    node,
                    version,
                    chunk.level,
                    kind,
                    chunk.start,
                    chunk.end,
                    len(chunk.terms),
                    group,
                    last,
                    at,
                    speaker,
                    chunk.asks,
                    " ".join(chunk.terms),
                    chunk.traits,
                ),
            )
            last = self.c.last_insert_rowid()
            self.texts[last] = text[chunk.start : chunk.end]
            self.c.execute(
                "INSERT INTO fts (rowid, terms) VALUES (?, ?)",
                (last, " ".join(qualified_term(partition_id, t) for t in chunk.terms)),
            )
            self.c.execute(
                "UPDATE owner SET chunks = chunks + 1, terms = terms + ? WHERE id = ?", (len(chunk.terms), partition_id)
            )
        return last
