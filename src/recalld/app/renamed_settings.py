"""Settings that have a new name. The old one still works in a file, in the environment and as an argument, with a warning."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from recalld.domain.errors import Invalid

_PROVIDER = {"kind": "provider", "deadline_s": "timeout_s", "request_deadline_s": "request_timeout_s"}
_TEXTS = {**_PROVIDER, "tokens_max": "input_tokens_max"}
RENAMED: Mapping[str, Mapping[str, str]] = {
    "server": {
        "recall_deadline_s": "search_timeout_s",
        "request_deadline_s": "request_timeout_s",
        "wait_deadline_s": "wait_timeout_s",
        "shutdown_s": "shutdown_timeout_s",
        "upload_waiting_bytes_max": "pending_upload_bytes_per_user_max",
        "one_processor": "pin_cpu",
    },
    "embedder": {
        **_TEXTS,
        "batch_max": "batch_texts_max",
        "floor": "similarity_floor",
        "ceiling": "similarity_ceiling",
    },
    "reranker": _TEXTS,
    "model": _PROVIDER,
    "storage": {
        "readers": "reader_connections",
        "reserve_mb": "reserve_mib",
        "history_keep_days": "history_retention_days",
    },
    "session": {
        "idle_check_s": "idle_scan_interval_s",
        "tool_output_chars_max": "tool_output_inline_chars_max",
        "tool_preview_chars": "tool_output_preview_chars",
        "turn_output_chars_max": "tool_output_inline_chars_per_turn_max",
    },
    "worker": {
        "lease_s": "lease_timeout_s",
        "model_calls_max": "concurrent_model_calls_max",
        "stuck_s": "heartbeat_timeout_s",
    },
}
"""Old to new names by section. No plugin may use an old name of its section for a setting of its own."""
_log = logging.getLogger("recalld.config")


def with_new_names(source: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one source under their new names. Raises ``Invalid`` if a setting is given under both."""
    return {
        section: _with_new_names(section, values) if isinstance(values, Mapping) else values
        for section, values in source.items()
    }


def _with_new_names(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for old, new in RENAMED.get(section, {}).items():
        if old not in values:
            continue
        if new in values:
            raise Invalid(
                f"{section}.{old} is the old name of {section}.{new}, and both are set",
                remedy=f"remove {section}.{old}",
                details={"keys": [f"{section}.{old}", f"{section}.{new}"]},
            )
        _log.warning("the setting %s.%s is deprecated: use %s.%s", section, old, section, new)
        found[new] = found.pop(old)
    return found
