"""Prompts for language models: Markdown files with front matter, one typed function each."""
