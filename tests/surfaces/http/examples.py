"""One or more requests for every route, aimed at data of ``acme/ana``: see ``test_foreign_callers.py``.

A new route needs a line here: ``"METHOD /path": {params, json, files}``, or a list of those. In any value ``$private`` is an
address of Ana's, ``$file`` a file there, ``$task``, ``$upload``, ``$pack``, ``$oid`` and ``$tool`` are her ids. Path parameters
are filled from ``PLACES``. Search queries may contain Ana's words, but never the marker.
"""

from __future__ import annotations

from typing import Any

Request = dict[str, Any]
API = "/api/v1"
PRIVATE = "viking://user/ana"
FILE = f"{PRIVATE}/memories/events/secret.md"
SESSION = f"{PRIVATE}/sessions/s-own"
SKILL = f"{PRIVATE}/skills"
WORDS = "zanzibar lighthouse"

PLACES = {
    "account": "acme",
    "user": "ana",
    "session_id": "s-own",
    "archive_id": "archive_001",
    "task_id": "$task",
    "tool_result_id": "$tool",
    "name": "secret-skill",
    "category": "vault",
    "key": "bank",
    "number": "1",
}


def _of(uri: str) -> list[Request]:
    """Reading an address: a file of hers, her tree, a page of her talk."""
    return [{"params": {"uri": one}} for one in (uri, FILE, PRIVATE, f"{SESSION}/messages.jsonl", f"{PRIVATE}/privacy")]


def _posted(uri: str, **more: Any) -> list[Request]:
    return [{"json": {"uri": one, **more}} for one in (uri, FILE, PRIVATE)]


EXAMPLES: dict[str, Request | list[Request]] = {
    # ---------------------------------------------------------------- history
    f"GET {API}/log": [{"params": {"under": PRIVATE}}, {"params": {"limit": 1000}}, {"params": {"actor": "ana"}}],
    f"POST {API}/log/undo": [{"json": {"seq": n}} for n in (1, 2, 20)] + [{"json": {"cause": "$task"}}],
    f"POST {API}/log/purge": {"json": {"older_than": "3650d"}},
    f"GET {API}/fs/history": [{"params": {"uri": FILE}}, {"params": {"uri": PRIVATE}}],
    f"POST {API}/fs/history/restore": [{"json": {"uri": FILE, "at": "9999"}}, {"json": {"uri": PRIVATE, "at": "1m"}}],
    f"GET {API}/content/diff": [{"params": {"uri": FILE, "from": "0"}}],
    # ---------------------------------------------------------------- search
    f"POST {API}/search/find": [
        {"json": {"query": WORDS, "score_threshold": 0, "limit": 50, "include_provenance": True}},
        {"json": {"query": WORDS, "target_uri": PRIVATE, "score_threshold": 0, "level": [0, 1, 2]}},
        {"json": {"query": WORDS, "target_uri": [FILE, "viking://user", "viking://"], "score_threshold": 0}},
    ],
    f"POST {API}/search/search": [
        {"json": {"query": WORDS, "session_id": "s-own", "score_threshold": 0}},
        {"json": {"query": WORDS, "mode": "context", "session_id": "s-own", "score_threshold": 0, "detail": "full"}},
        {"json": {"query": WORDS, "target_uri": PRIVATE, "score_threshold": 0}},
    ],
    f"POST {API}/search/recall": {"json": {"query": WORDS, "min_score": 0, "session_id": "s-own", "render": "full"}},
    f"POST {API}/search/grep": [
        {"json": {"uri": uri, "pattern": ".*zanzibar.*"}}
        for uri in (PRIVATE, FILE, SESSION, "viking://user", "viking://")
    ],
    f"POST {API}/search/why-not": [
        {"json": {"query": WORDS, "uri": uri, "score_threshold": 0}} for uri in (PRIVATE, FILE)
    ],
    f"POST {API}/search/glob": [
        {"json": {"pattern": "**", "uri": uri, "node_limit": 10_000}} for uri in (PRIVATE, "viking://user", "viking://")
    ],
    # -------------------------------------------------------------- sessions
    f"POST {API}/sessions/{{session_id}}/messages": {"json": {"role": "user", "content": "may I come in?"}},
    f"POST {API}/sessions/{{session_id}}/messages/batch": {
        "json": {"messages": [{"role": "user", "content": "hello"}]}
    },
    f"GET {API}/sessions/{{session_id}}": {},
    f"POST {API}/sessions/{{session_id}}/commit": {"json": {}},
    f"PATCH {API}/sessions/{{session_id}}/config": {"json": {"auto_commit_policy": None}},
    f"POST {API}/sessions/{{session_id}}/extract": {},
    f"GET {API}/sessions/{{session_id}}/context": {},
    f"POST {API}/sessions": {"json": {"session_id": "s-own"}},
    f"GET {API}/sessions": {},
    f"GET {API}/sessions/{{session_id}}/archives/{{archive_id}}": {},
    f"DELETE {API}/sessions/{{session_id}}": {},
    f"POST {API}/sessions/{{session_id}}/used": {"json": {"contexts": [FILE]}},
    f"GET {API}/sessions/{{session_id}}/tool-results": {},
    f"GET {API}/sessions/{{session_id}}/tool-results/{{tool_result_id}}": {},
    f"GET {API}/sessions/{{session_id}}/tool-results/{{tool_result_id}}/search": {"params": {"q": "zanzibar"}},
    # --------------------------------------------------------------- content
    f"GET {API}/content/read": _of("$private"),
    f"GET {API}/content/abstract": _of("$private"),
    f"GET {API}/content/overview": _of("$private"),
    f"GET {API}/content/download": [*_of("$file"), {"params": {"token": "guessed"}}],
    f"POST {API}/content/write": [
        {"json": {"uri": FILE, "content": "overwritten", "mode": mode}} for mode in ("replace", "append", "create")
    ],
    f"POST {API}/content/batch-write": {
        "json": {"root_uri": PRIVATE, "operations": [{"uri": FILE, "content": "overwritten"}], "wait": False}
    },
    f"POST {API}/content/set_tags": _posted("$file", tags=["a=b"], recursive=True),
    f"POST {API}/content/reindex": _posted("$private", wait=False),
    # -------------------------------------------------------------------- fs
    f"GET {API}/fs/ls": [*_of("$private"), {"params": {"uri": "viking://user", "recursive": "true"}}],
    f"GET {API}/fs/tree": [*_of("$private"), {"params": {"uri": "viking://", "level_limit": 20, "node_limit": 10_000}}],
    f"GET {API}/fs/stat": _of("$file"),
    f"GET {API}/fs/attrs": _of("$file"),
    f"POST {API}/fs/attrs/set_tags": _posted("$file", tags=["a=b"]),
    f"POST {API}/fs/mkdir": {"json": {"uri": f"{PRIVATE}/resources/new"}},
    f"DELETE {API}/fs": [{"params": {"uri": one, "recursive": "true"}} for one in (FILE, PRIVATE, SESSION)],
    f"POST {API}/fs/mv": [
        {"json": {"from_uri": FILE, "to_uri": "viking://resources/taken.md"}},
        {"json": {"from_uri": "viking://resources/mine.md", "to_uri": FILE}},
    ],
    f"POST {API}/fs/cp": [
        {"json": {"from_uri": FILE, "to_uri": "viking://resources/copied.md"}},
        {"json": {"from_uri": PRIVATE, "to_uri": "viking://resources/copied", "recursive": True}},
    ],
    # ---------------------------------------------------------------- system
    "GET /health": {},
    "GET /ready": {},
    "GET /metrics": {},
    f"GET {API}/system/status": {},
    f"POST {API}/system/wait": {"json": {"timeout": 0.01}},
    f"POST {API}/system/consistency": _posted("$private"),
    f"GET {API}/debug/health": {},
    f"GET {API}/debug/vector/scroll": [{"params": {"limit": 1000}}, {"params": {"limit": 1000, "uri": PRIVATE}}],
    f"GET {API}/debug/vector/count": [{}, {"params": {"uri": PRIVATE}}],
    f"GET {API}/stats/memories": {},
    f"GET {API}/stats/sessions/{{session_id}}": {},
    f"GET {API}/stats/usage": {},
    **{
        f"GET {API}/observer/{part}": {}
        for part in ("queue", "vikingdb", "models", "lock", "retrieval", "filesystem", "system")
    },
    # ----------------------------------------------------------------- tasks
    f"GET {API}/tasks/{{task_id}}": {},
    f"GET {API}/tasks": {"params": {"limit": 200}},
    f"POST {API}/tasks/{{task_id}}/cancel": {},
    # ------------------------------------------------------------- resources
    f"POST {API}/resources/temp_upload": {"files": {"file": ("note.md", b"# A note\n\nwords\n")}},
    f"POST {API}/resources": [
        {"json": {"temp_file_id": "$upload"}},
        {"json": {"temp_file_id": "$upload", "to": f"{PRIVATE}/resources/forced"}},
        {"json": {"path": "/etc/passwd"}},
    ],
    # ---------------------------------------------------------------- skills
    f"GET {API}/skills": [{}, {"params": {"target_uri": SKILL}}],
    f"POST {API}/skills": {"json": {"data": "---\nname: secret-skill\ndescription: mine\n---\nx", "target_uri": SKILL}},
    f"POST {API}/skills/find": [
        {"json": {"query": WORDS, "score_threshold": 0}},
        {"json": {"query": WORDS, "score_threshold": 0, "target_uri": SKILL}},
    ],
    f"POST {API}/skills/validate": {"json": {"data": "---\nname: a\ndescription: b\n---\n", "target_uri": SKILL}},
    f"GET {API}/skills/{{name}}": [{}, {"params": {"target_uri": SKILL, "include_content": "true"}}],
    f"PUT {API}/skills/{{name}}": {
        "json": {"data": "---\nname: secret-skill\ndescription: mine\n---\nx", "target_uri": SKILL}
    },
    f"DELETE {API}/skills/{{name}}": [{}, {"params": {"target_uri": SKILL}}],
    # --------------------------------------------------------------- privacy
    f"GET {API}/privacy-configs": {},
    f"GET {API}/privacy-configs/tree": {},
    f"POST {API}/privacy-configs/resolve": {"json": {"selector": f"{PRIVATE}/privacy/vault/bank/pin"}},
    f"DELETE {API}/privacy-configs/selector": {"json": {"selector": f"{PRIVATE}/privacy/vault/bank/pin"}},
    f"GET {API}/privacy-configs/{{category}}/{{key}}/fields": {},
    f"PATCH {API}/privacy-configs/{{category}}/{{key}}": {"json": {"values": {"pin": "0000"}}},
    f"DELETE {API}/privacy-configs/{{category}}/{{key}}": {},
    f"POST {API}/privacy-configs/scan": {"json": {}},
    f"GET {API}/privacy-configs/{{category}}": {},
    f"GET {API}/privacy-configs/{{category}}/{{key}}": {},
    f"POST {API}/privacy-configs/{{category}}/{{key}}": {"json": {"values": {"pin": "0000"}}},
    f"GET {API}/privacy-configs/{{category}}/{{key}}/versions": {},
    f"GET {API}/privacy-configs/{{category}}/{{key}}/versions/{{number}}": {},
    f"POST {API}/privacy-configs/{{category}}/{{key}}/activate": {"json": {"version": 1}},
    **{
        f"{method} {API}/privacy-configs/{{category}}/{{key}}/field": {"params": {"field": "pin", "reveal": True}}
        for method in ("GET", "PUT", "DELETE")
    },
    # ----------------------------------------------------------------- packs
    f"POST {API}/pack/export": [{"json": {"uri": one}} for one in (PRIVATE, f"{PRIVATE}/memories", SESSION)],
    f"POST {API}/pack/import": {"json": {"temp_file_id": "$pack", "parent": PRIVATE, "on_conflict": "overwrite"}},
    f"POST {API}/pack/backup": {"json": {}},
    f"POST {API}/pack/restore": {"json": {"temp_file_id": "$pack", "on_conflict": "overwrite"}},
    # ------------------------------------------------------------- snapshots
    f"POST {API}/snapshot/commit": {"json": {"message": "mine", "paths": [PRIVATE]}},
    f"GET {API}/snapshot/log": [{}, {"params": {"paths": PRIVATE}}],
    f"GET {API}/snapshot/show": [{"params": {"target_ref": "$oid"}}, {"params": {"target_ref": "$oid", "path": FILE}}],
    f"GET {API}/snapshot/diff": {"params": {"path": FILE, "to": "$oid"}},
    f"GET {API}/snapshot/diff-paths": {"params": {"to": "$oid"}},
    f"GET {API}/snapshot/versions": {"params": {"path": FILE}},
    f"POST {API}/snapshot/restore": [
        {"json": {"source_commit": "$oid", "project_dir": PRIVATE}},
        {"json": {"source_commit": "$oid"}},
    ],
    f"GET {API}/snapshot/ignore": {},
    f"PUT {API}/snapshot/ignore": {"json": {"content": "*.log\n"}},
    f"DELETE {API}/snapshot/ignore": {},
    # ----------------------------------------------------------------- admin
    f"POST {API}/admin/accounts": {"json": {"account_id": "acme", "admin_user_id": "ana"}},
    f"GET {API}/admin/accounts": {},
    f"GET {API}/admin/accounts/{{account}}": {},
    f"DELETE {API}/admin/accounts/{{account}}": {},
    f"POST {API}/admin/accounts/{{account}}/users": {"json": {"user_id": "ana", "role": "admin"}},
    f"GET {API}/admin/accounts/{{account}}/users": {},
    f"GET {API}/admin/accounts/{{account}}/users/{{user}}": {},
    f"DELETE {API}/admin/accounts/{{account}}/users/{{user}}": {},
    f"PUT {API}/admin/accounts/{{account}}/users/{{user}}/role": {"json": {"role": "admin"}},
    f"POST {API}/admin/accounts/{{account}}/users/{{user}}/key": {},
    f"GET {API}/admin/accounts/{{account}}/settings": {},
    f"PATCH {API}/admin/accounts/{{account}}/settings": {"json": {"agent_evolution": {"enabled": True}}},
    f"GET {API}/admin/accounts/{{account}}/users/{{user}}/settings": {},
    f"PATCH {API}/admin/accounts/{{account}}/users/{{user}}/settings": {"json": {"memory_policy": None}},
    f"GET {API}/admin/agent-evolution": {},
    f"PUT {API}/admin/agent-evolution": {"json": {"enabled": True}},
    f"POST {API}/admin/migrate": {"json": {}},
    # ----------------------------------------------------------------- other
    f"GET {API}/user-settings/add-locations": {},
    f"PATCH {API}/user-settings/add-locations": {"json": {"resource_uri": f"{PRIVATE}/resources"}},
    f"DELETE {API}/user-settings/add-locations": {},
    f"GET {API}/watches": [{}, {"params": {"to_uri": PRIVATE}}],
}

TOOLS: dict[str, list[dict[str, Any]]] = {
    "history": [{"uri": FILE}, {}],
    "undo": [{"seq": 1}, {"cause": "undo:1"}, {"dry_run": True}],
    "restore": [{"uri": FILE, "at": "1"}, {"uri": PRIVATE, "at": "1"}],
    "find": [{"query": WORDS, "min_score": 0}, {"query": WORDS, "target_uri": PRIVATE, "min_score": 0}],
    "search": [
        {"query": WORDS, "session_id": "s-own", "min_score": 0},
        {"query": WORDS, "session_id": "s-own", "mode": "context", "min_score": 0},
    ],
    "read": [{"uris": FILE}, {"uris": [FILE, PRIVATE, f"{SESSION}/messages.jsonl"]}],
    "list": [{"uri": PRIVATE, "recursive": True}, {"uri": "viking://user", "recursive": True}],
    "tree": [{"uri": PRIVATE, "include_abstract": True}, {"uri": "viking://", "level_limit": 20}],
    "remember": [{"messages": [{"role": "user", "content": "hello"}]}],
    "write": [{"uri": FILE, "content": "overwritten"}],
    "edit": [{"uri": FILE, "old_string": "zanzibar", "new_string": "gone"}],
    "add_resource": [{"temp_file_id": "$upload"}, {"temp_file_id": "$upload", "to": f"{PRIVATE}/resources/forced"}],
    "list_watches": [{}],
    "cancel_watch": [{"to_uri": PRIVATE}],
    "grep": [{"uri": PRIVATE, "pattern": ".*zanzibar.*"}, {"uri": "viking://", "pattern": ".*zanzibar.*"}],
    "glob": [{"pattern": "**", "uri": PRIVATE}, {"pattern": "**"}],
    "forget": [{"uri": FILE}, {"uri": PRIVATE, "recursive": True}],
    "health": [{}],
    "add_skill": [{"data": "---\nname: secret-skill\ndescription: mine\n---\nx", "target_uri": SKILL}],
    "download": [{"uri": FILE}],
}
