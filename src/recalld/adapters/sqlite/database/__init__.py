"""The database file: schema and migrations, the writer and its group commit, reader connections."""
