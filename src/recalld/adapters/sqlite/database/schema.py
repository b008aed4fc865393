"""The embedded store's tables, version by version. A store is migrated forward one step at a time, never back."""

from __future__ import annotations

SCHEMA_VERSION = 13

V1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- An index space: one user's own tree, or (user = '') what an account shares (resources, agent).
-- epoch rises when nodes join or leave the space by a move: caches of it start over.
CREATE TABLE owner (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, user TEXT NOT NULL,
  chunks INTEGER NOT NULL DEFAULT 0, terms INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
  UNIQUE (account, user));

-- The tree as an adjacency list. kind: 0 directory, 1 file, 2 message. parent 0 = an account's root (name = account).
-- gone: 0, or the log seq of the removal; set on the top of a removed subtree only, everything below is unreachable.
-- seq: log seq of the last change to this row. stale: 0, or the seq since which a directory's tiers are behind.
CREATE TABLE node (
  id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
  owner INTEGER NOT NULL, seq INTEGER NOT NULL, version INTEGER NOT NULL DEFAULT 1, hash TEXT NOT NULL DEFAULT '',
  size INTEGER NOT NULL DEFAULT 0, media TEXT NOT NULL DEFAULT '', created REAL NOT NULL, updated REAL NOT NULL,
  event_at REAL, speaker TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]', source TEXT NOT NULL DEFAULT '{}',
  gone INTEGER NOT NULL DEFAULT 0, stale INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX node_place ON node (parent, name) WHERE gone = 0;
CREATE INDEX node_follow ON node (owner, seq);
CREATE INDEX node_gone ON node (gone) WHERE gone > 0;
CREATE INDEX node_hash ON node (hash) WHERE hash <> '';
CREATE INDEX node_stale ON node (owner) WHERE stale > 0;

CREATE TABLE tier (
  node INTEGER PRIMARY KEY, version INTEGER NOT NULL, abstract TEXT NOT NULL, overview TEXT NOT NULL DEFAULT '',
  made_by TEXT NOT NULL);

-- data NULL: the bytes lie in the blob folder. Kept while a node or a young enough log entry names the hash.
CREATE TABLE blob (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, data BLOB);

CREATE TABLE log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, account TEXT NOT NULL, actor TEXT NOT NULL, op TEXT NOT NULL,
  node INTEGER NOT NULL, uri TEXT NOT NULL, before TEXT NOT NULL DEFAULT '', after TEXT NOT NULL DEFAULT '',
  cause TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '');
CREATE INDEX log_node ON log (node, seq);

-- A stretch of a node's text. Found only while version equals its node's (tier chunks, level 0 and 1: always).
-- previous: the chunk before it in its group (a session's talk or one file), 0 if none. Ids only ever grow.
-- text: only where it is no stretch of the node's own text (HTML without its tags).
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner INTEGER NOT NULL, node INTEGER NOT NULL, version INTEGER NOT NULL,
  level INTEGER NOT NULL, kind INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
  length INTEGER NOT NULL, "group" INTEGER NOT NULL, previous INTEGER NOT NULL DEFAULT 0, at REAL NOT NULL,
  speaker TEXT NOT NULL DEFAULT '', asks INTEGER NOT NULL DEFAULT 0, terms TEXT NOT NULL DEFAULT '', text TEXT);
CREATE INDEX chunk_node ON chunk (node);
CREATE INDEX chunk_follow ON chunk (owner, id);

-- rowid = chunk.id. Every term carries its owner in front (rules/tokens.owned), so that a posting list, its length and
-- a term's frequency are one owner's alone.
CREATE VIRTUAL TABLE fts USING fts5(
  terms, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 0 tokenchars '_'");
-- Left to itself FTS5 rewrites whole segments inside whichever commit tips the balance (hundreds of milliseconds after a
-- purge). What was deleted is reclaimed in slices instead (ports/ledger: prune).
INSERT INTO fts (fts, rank) VALUES ('deletemerge', 0), ('crisismerge', 500);
CREATE VIRTUAL TABLE fts_row USING fts5vocab(fts, 'row');
CREATE VIRTUAL TABLE fts_place USING fts5vocab(fts, 'instance');

CREATE TABLE model (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, width INTEGER NOT NULL);
-- Float16 unit vectors, in the order they arrived; ids only ever grow, so caches follow by id.
CREATE TABLE vector (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner INTEGER NOT NULL, chunk INTEGER NOT NULL, model INTEGER NOT NULL,
  data BLOB NOT NULL, UNIQUE (chunk, model));
CREATE INDEX vector_follow ON vector (owner, model, id);
-- Chunks that still lack a vector of the wanted model (meta 'wanted_model').
CREATE TABLE unembedded (chunk INTEGER PRIMARY KEY, owner INTEGER NOT NULL);
CREATE INDEX unembedded_owner ON unembedded (owner, chunk);

CREATE TABLE session (
  node INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
  next_ordinal INTEGER NOT NULL DEFAULT 0, live INTEGER NOT NULL DEFAULT 0, live_tokens INTEGER NOT NULL DEFAULT 0,
  commits INTEGER NOT NULL DEFAULT 0, keep_recent INTEGER NOT NULL DEFAULT 0, last_commit REAL NOT NULL DEFAULT 0,
  last_message REAL NOT NULL DEFAULT 0, last_chunk INTEGER NOT NULL DEFAULT 0, contexts_used INTEGER NOT NULL DEFAULT 0,
  skills_used INTEGER NOT NULL DEFAULT 0, extracted TEXT NOT NULL DEFAULT '{}', config TEXT NOT NULL DEFAULT '{}');
CREATE INDEX session_owner ON session (owner, updated);

-- node: the message's node (its name is id + '.md'). archive 0 = live.
CREATE TABLE message (
  node INTEGER PRIMARY KEY, session INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, role TEXT NOT NULL,
  parts TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL, at REAL NOT NULL, peer_id TEXT NOT NULL DEFAULT '',
  turn_id TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '', source_ids TEXT NOT NULL DEFAULT '[]',
  archive INTEGER NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0, UNIQUE (session, ordinal));
CREATE UNIQUE INDEX message_id ON message (session, id);
CREATE INDEX message_archive ON message (session, archive, ordinal);

CREATE TABLE archive (
  session INTEGER NOT NULL, number INTEGER NOT NULL, created REAL NOT NULL, messages INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending', abstract TEXT NOT NULL DEFAULT '', overview TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '', task TEXT NOT NULL DEFAULT '', PRIMARY KEY (session, number)) WITHOUT ROWID;

CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, account TEXT NOT NULL, user TEXT NOT NULL,
  role TEXT NOT NULL DEFAULT 'user', payload TEXT NOT NULL DEFAULT '{}', lane TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0,
  created REAL NOT NULL, not_before REAL NOT NULL, lease_until REAL NOT NULL DEFAULT 0, worker TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '', task TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX job_key ON job (key) WHERE state = 'pending';
CREATE INDEX job_turn ON job (state, lane, account, user, created);
CREATE INDEX job_task ON job (task) WHERE task <> '';
CREATE TABLE job_done (kind TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE task (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, user TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL,
  resource TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT '', meta TEXT NOT NULL DEFAULT '{}',
  result TEXT, error TEXT NOT NULL DEFAULT '', created REAL NOT NULL, updated REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX task_owner ON task (account, user, created);
"""

V2 = """
-- Members. key_hash: sha256 or argon2id of the key ("" = none), see registry/hashing.py; key_head: its first characters.
-- deleting: the task that removes this account or member, "" otherwise. settings: plain JSON.
CREATE TABLE account (
  id TEXT PRIMARY KEY, created REAL NOT NULL, settings TEXT NOT NULL DEFAULT '{}', deleting TEXT NOT NULL DEFAULT '')
  WITHOUT ROWID;
CREATE TABLE member (
  account TEXT NOT NULL, user TEXT NOT NULL, role TEXT NOT NULL, created REAL NOT NULL, key_hash TEXT NOT NULL DEFAULT '',
  key_head TEXT NOT NULL DEFAULT '', settings TEXT NOT NULL DEFAULT '{}', deleting TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (account, user)) WITHOUT ROWID;

-- A named place in an account's log. author, paths: plain JSON. paths [] = everything; rules: its .ovgitignore.
CREATE TABLE snapshot (
  oid TEXT PRIMARY KEY, account TEXT NOT NULL, branch TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL,
  parent TEXT NOT NULL DEFAULT '', message TEXT NOT NULL, author TEXT NOT NULL DEFAULT '{}',
  tree TEXT NOT NULL DEFAULT '', paths TEXT NOT NULL DEFAULT '[]', rules TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE INDEX snapshot_branch ON snapshot (account, branch, seq);

-- What a language model made of an input: key names model, prompt and input. Kept as long as replaced content is.
CREATE TABLE made (
  key TEXT PRIMARY KEY, account TEXT NOT NULL, user TEXT NOT NULL, abstract TEXT NOT NULL, overview TEXT NOT NULL,
  at REAL NOT NULL) WITHOUT ROWID;

-- Calls to providers by UTC day; refused: not made, since the day's budget was used up. said: what was wrong with the last
-- call, made at that moment ("" = nothing).
CREATE TABLE spent (
  day TEXT NOT NULL, account TEXT NOT NULL, provider TEXT NOT NULL, operation TEXT NOT NULL,
  calls INTEGER NOT NULL DEFAULT 0, tokens_in INTEGER NOT NULL DEFAULT 0, tokens_out INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0, said TEXT NOT NULL DEFAULT '', at REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (day, account, provider, operation)) WITHOUT ROWID;
"""

V3 = """
-- due: 1 once a pending job's time has come, so that a lease looks at those alone. turn: per lane and user, how many jobs of
-- theirs are due, the number of their last turn (0: none that is remembered) and the job that has been due for longest.
-- Triggers keep ready true whatever becomes of a job.
ALTER TABLE job ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
CREATE INDEX job_later ON job (not_before) WHERE state = 'pending' AND due = 0;
CREATE INDEX job_due ON job (lane, account, user, created, id) WHERE state = 'pending' AND due = 1;
CREATE INDEX job_running ON job (lease_until) WHERE state = 'running';
CREATE TABLE turn (
  account TEXT NOT NULL, user TEXT NOT NULL, lane TEXT NOT NULL, ready INTEGER NOT NULL, served INTEGER NOT NULL,
  since INTEGER NOT NULL, PRIMARY KEY (account, user, lane)) WITHOUT ROWID;
CREATE INDEX turn_next ON turn (lane, served, since) WHERE ready > 0;
CREATE INDEX turn_idle ON turn (served) WHERE ready = 0;
CREATE TRIGGER job_is_due AFTER INSERT ON job WHEN NEW.state = 'pending' AND NEW.due = 1
BEGIN
  INSERT INTO turn (account, user, lane, ready, served, since) VALUES (NEW.account, NEW.user, NEW.lane, 1,
    coalesce((SELECT max(served) FROM turn WHERE account = NEW.account AND user = NEW.user), 0), NEW.id)
  ON CONFLICT DO UPDATE SET since = CASE WHEN ready = 0 THEN excluded.since ELSE since END, ready = ready + 1;
END;
CREATE TRIGGER job_becomes_due AFTER UPDATE OF state, due, lane ON job
WHEN NEW.state = 'pending' AND NEW.due = 1 AND NOT (OLD.state = 'pending' AND OLD.due = 1 AND OLD.lane = NEW.lane)
BEGIN
  INSERT INTO turn (account, user, lane, ready, served, since) VALUES (NEW.account, NEW.user, NEW.lane, 1,
    coalesce((SELECT max(served) FROM turn WHERE account = NEW.account AND user = NEW.user), 0), NEW.id)
  ON CONFLICT DO UPDATE SET since = CASE WHEN ready = 0 THEN excluded.since ELSE since END, ready = ready + 1;
END;
CREATE TRIGGER job_is_due_no_more AFTER UPDATE OF state, due, lane ON job
WHEN OLD.state = 'pending' AND OLD.due = 1 AND NOT (NEW.state = 'pending' AND NEW.due = 1 AND OLD.lane = NEW.lane)
BEGIN
  UPDATE turn SET ready = ready - 1 WHERE account = OLD.account AND user = OLD.user AND lane = OLD.lane;
END;
CREATE TRIGGER job_due_deleted AFTER DELETE ON job WHEN OLD.state = 'pending' AND OLD.due = 1
BEGIN
  UPDATE turn SET ready = ready - 1 WHERE account = OLD.account AND user = OLD.user AND lane = OLD.lane;
END;
"""

V4 = """
-- Contents in the blob folder that retention let go: their files may be deleted. What is in no table is set aside instead.
CREATE TABLE released (hash TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
-- Contents that were missing or did not verify when they were last looked at.
CREATE TABLE damaged (hash TEXT PRIMARY KEY, at REAL NOT NULL, missing INTEGER NOT NULL) WITHOUT ROWID;
"""

V5 = """
-- No table changes: names of nodes are composed (adapters/sqlite/database/nfc_names), and stay so since addresses are.
SELECT 5;
"""

V6 = """
-- txn: seq of the first entry of the same commit, 0 where the entry is that first one.
ALTER TABLE log ADD COLUMN txn INTEGER NOT NULL DEFAULT 0;
CREATE INDEX log_created ON log (account, uri, seq) WHERE op = 'create' AND instr(uri, '/sessions/') = 0;
CREATE INDEX log_restored ON log (account, node) WHERE op = 'restore';
CREATE INDEX log_cause ON log (cause, seq) WHERE cause <> '';

-- Tops of removed subtrees, until their rows are erased. at: when it was removed. erase 1: cannot be restored any more.
-- cleaned 1: what was derived from the subtree (chunks, full text, vectors) is gone; its other nodes have owner 0.
CREATE TABLE trash (
  node INTEGER PRIMARY KEY, at REAL NOT NULL, erase INTEGER NOT NULL DEFAULT 0, cleaned INTEGER NOT NULL DEFAULT 0);
INSERT INTO trash (node, at) SELECT n.id, coalesce(l.at, 0) FROM node n LEFT JOIN log l ON l.seq = n.gone WHERE n.gone > 0;
CREATE INDEX trash_dirty ON trash (cleaned, node) WHERE cleaned = 0;
CREATE INDEX trash_erase ON trash (erase, node) WHERE erase = 1;
CREATE INDEX node_removed ON node (parent) WHERE gone > 0;
"""

V7 = """
-- Contents that grew by appends (append_streams). A stream begins with the content base of the blob folder ('' = none) and goes on
-- in segments, the first of which starts where base ends (begins). A version, by its hash, is a stream's first size bytes.
CREATE TABLE stream (
  id INTEGER PRIMARY KEY AUTOINCREMENT, base TEXT NOT NULL, begins INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE INDEX stream_base ON stream (base) WHERE base <> '';
CREATE TABLE segment (stream INTEGER NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stream, start));
CREATE TABLE grown (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, stream INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX grown_stream ON grown (stream, size);
-- kept: 1 when chunks of a former version still stand for what the file has now: then those that are there are the living ones.
ALTER TABLE node ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
"""

V8 = """
-- Chunks whose text an embedder refused: their vector is all zeros, so that they are not sent again. why: a known word.
CREATE TABLE refused (chunk INTEGER PRIMARY KEY, model INTEGER NOT NULL, why TEXT NOT NULL);
"""

V9 = """
-- What is counted often is counted from these, not from the rows: contents outside the database, archives that failed.
CREATE INDEX blob_outside ON blob (size) WHERE data IS NULL;
CREATE INDEX archive_failed ON archive (session) WHERE state = 'failed';
"""

V10 = """
-- hash: over what a message says (message_rows), NULL where verification has not come to an older message.
ALTER TABLE message ADD COLUMN hash BLOB;
-- last: ordinal of an archive's last message; its first one follows the last one of the archive before. So a commit costs the same
-- however many messages it archives. The column archive of message is not used any more.
ALTER TABLE archive ADD COLUMN last INTEGER NOT NULL DEFAULT -1;
UPDATE archive SET last = known.last FROM (
  SELECT session, number, max(own) OVER (PARTITION BY session ORDER BY number) AS last FROM (
    SELECT a.session, a.number, coalesce((SELECT max(m.ordinal) FROM message m WHERE m.session = a.session
      AND m.archive = a.number), -1) AS own FROM archive a)) known
  WHERE archive.session = known.session AND archive.number = known.number;
CREATE INDEX archive_last ON archive (session, last);
-- Messages that were restored after their neighbours had been archived now belong to that archive.
UPDATE session SET live = live - late.messages, live_tokens = live_tokens - late.tokens FROM (
  SELECT m.session, count(*) AS messages, sum(m.tokens) AS tokens
  FROM (SELECT session, max(last) AS last FROM archive GROUP BY session) a
  CROSS JOIN message m ON m.session = a.session AND m.archive = 0 AND m.ordinal <= a.last
  CROSS JOIN node n ON n.id = m.node AND n.gone = 0 GROUP BY m.session) late
  WHERE session.node = late.session;
DROP INDEX message_archive;
"""

V11 = """
-- Tiers by their author: those of an earlier derivation are derived again.
CREATE INDEX tier_made_by ON tier (made_by);
"""

V12 = """
-- place: 1, 2 ... = the model is configured, in this order, and every chunk needs a vector of it; 0 = out of use, its vectors are
-- deleted in the background. name: its embedder. listed_to: the last chunk examined for a vector while the chunks without one
-- are being listed in unembedded, NULL = all are listed.
ALTER TABLE model ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE model ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE model ADD COLUMN listed_to INTEGER;
UPDATE model SET place = 1, listed_to = 0 WHERE fingerprint = (SELECT value FROM meta WHERE key = 'wanted_model');
DELETE FROM meta WHERE key IN ('wanted_model', 'serving_model', 'wanted_to', 'listed_to');
-- Chunks that lack a vector, by model. They are listed again.
DROP TABLE unembedded;
CREATE TABLE unembedded (
  chunk INTEGER NOT NULL, model INTEGER NOT NULL, owner INTEGER NOT NULL, PRIMARY KEY (chunk, model)) WITHOUT ROWID;
CREATE INDEX unembedded_owner ON unembedded (model, owner, chunk);
"""

V13 = """
-- traits: bits of rules/standing, e.g. 1 = a standing instruction of the user.
ALTER TABLE chunk ADD COLUMN traits INTEGER NOT NULL DEFAULT 0;
"""

MIGRATIONS: dict[int, str] = {
    1: V1, 2: V2, 3: V3, 4: V4, 5: V5, 6: V6, 7: V7, 8: V8, 9: V9, 10: V10, 11: V11, 12: V12, 13: V13,
}  # fmt: skip
"""Step n takes a store from version n-1 to n."""
