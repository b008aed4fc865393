"""The story every MCP client lives through, whatever its version: ``call`` is how it calls a tool."""

from __future__ import annotations

TEA = "viking://resources/notes/tea.md"
NOTE = "viking://resources/notes/note.md"


async def live(call):
    """Every tool once; each answers ``[failed, text]``."""
    told = {}
    told["health"] = await call("health", {})
    told["write"] = await call("write", {"uri": TEA, "content": "# Tea\n\nAna drinks oolong at dawn.\n", "wait": True})
    told["write_again"] = await call("write", {"uri": NOTE, "content": "The crane is yellow.\n", "wait": True})
    told["edit"] = await call("edit", {"uri": NOTE, "old_string": "yellow", "new_string": "green", "wait": True})
    told["find"] = await call("find", {"query": "when does Ana drink oolong", "min_score": 0.0})
    told["find_level"] = await call("find", {"query": "oolong", "level": [2], "limit": 3, "min_score": 0.0})
    told["find_nothing"] = await call("find", {"query": "zzz", "target_uri": "viking://~/memories"})
    told["search"] = await call("search", {"query": "which tea does Ana drink", "min_score": 0.0})
    told["context"] = await call("search", {"query": "oolong tea", "mode": "context", "max_tokens": 800})
    told["read_one"] = await call("read", {"uris": TEA})
    told["read_many"] = await call("read", {"uris": [TEA, NOTE, "viking://resources/none.md"]})
    told["list"] = await call("list", {"uri": "viking://resources/notes"})
    told["tree"] = await call("tree", {"uri": "viking://resources"})
    told["grep"] = await call(
        "grep", {"uri": "viking://resources", "pattern": ["OOLONG", "green"], "case_insensitive": True}
    )
    told["glob"] = await call("glob", {"pattern": "**/*.md"})
    told["remember"] = await call(
        "remember", {"messages": [{"role": "user", "content": "My favourite tea is sencha."}]}
    )
    told["add_resource"] = await call("add_resource", {"path": "/home/ana/manual"})
    told["list_watches"] = await call("list_watches", {})
    told["forget"] = await call("forget", {"uri": NOTE})
    told["gone"] = await call("read", {"uris": NOTE})
    told["missing"] = await call("read", {"uris": "viking://resources/none.md"})
    told["bad_uri"] = await call("list", {"uri": "http://example.org"})
    return told
