"""Prompts: markdown files with front matter, one typed function each (filled when a language model is configured)."""
