"""Surfaces: HTTP, MCP, CLI and Python clients translate requests and results. They do not import each other."""
