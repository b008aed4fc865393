"""Infrastructure: threads, processes, sockets and databases are used here and in adapters only."""
