"""Nouns: frozen dataclasses and enums. No I/O, no async, no outside libraries."""
