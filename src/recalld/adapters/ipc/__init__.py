"""Ports in the worker process: reads are local, writes are calls to the primary process."""
