"""The embedded store: one SQLite file in WAL mode, written by one process. Nothing outside this package imports apsw."""
