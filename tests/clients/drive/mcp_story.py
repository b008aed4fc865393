"""The same tool calls for every MCP client version; ``call`` calls a tool."""

from __future__ import annotations

TEA = "viking://resources/notes/tea.md"
NOTE = "viking://resources/notes/note.md"


async def live(call):
    """Every tool once; each answers ``[failed, text]``."""
    results = {}
    results["health"] = await call("health", {})
    results["write"] = await call(
        "write", {"uri": TEA, "content": "# Tea\n\nAna drinks oolong at dawn.\n", "wait": True}
    )
    results["write_again"] = await call("write", {"uri": NOTE, "content": "The crane is yellow.\n", "wait": True})
    results["edit"] = await call("edit", {"uri": NOTE, "old_string": "yellow", "new_string": "green", "wait": True})
    results["find"] = await call("find", {"query": "when does Ana drink oolong", "min_score": 0.0})
    results["find_level"] = await call("find", {"query": "oolong", "level": [2], "limit": 3, "min_score": 0.0})
    results["find_nothing"] = await call("find", {"query": "zzz", "target_uri": "viking://~/memories"})
    results["search"] = await call("search", {"query": "which tea does Ana drink", "min_score": 0.0})
    results["context"] = await call("search", {"query": "oolong tea", "mode": "context", "max_tokens": 800})
    results["read_one"] = await call("read", {"uris": TEA})
    results["read_many"] = await call("read", {"uris": [TEA, NOTE, "viking://resources/none.md"]})
    results["list"] = await call("list", {"uri": "viking://resources/notes"})
    results["tree"] = await call("tree", {"uri": "viking://resources"})
    results["grep"] = await call(
        "grep", {"uri": "viking://resources", "pattern": ["OOLONG", "green"], "case_insensitive": True}
    )
    results["glob"] = await call("glob", {"pattern": "**/*.md"})
    results["remember"] = await call(
        "remember", {"messages": [{"role": "user", "content": "My favourite tea is sencha."}]}
    )
    results["add_resource"] = await call("add_resource", {"path": "/home/ana/manual"})
    results["list_watches"] = await call("list_watches", {})
    results["forget"] = await call("forget", {"uri": NOTE})
    results["gone"] = await call("read", {"uris": NOTE})
    results["missing"] = await call("read", {"uris": "viking://resources/none.md"})
    results["bad_uri"] = await call("list", {"uri": "http://example.org"})
    return results
