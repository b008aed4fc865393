"""Domain types: frozen dataclasses and enums. No I/O, no async, no outside libraries."""
