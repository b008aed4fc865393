"""Imports: accept an upload, then parse, diff and store it file by file."""
