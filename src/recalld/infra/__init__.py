"""Machinery: the only rooms that know threads, processes, sockets and databases."""
