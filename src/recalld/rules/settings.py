"""Settings that a registry keeps of accounts and members, by their names on the wire."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.uri import Uri, bad_uri

ADD_TARGETS = "add_targets"
MEMORY_POLICY = "memory_policy"
AGENT_EVOLUTION = "agent_evolution"


def check_skill_root(uri: Uri, caller: Caller) -> Uri:
    """Skills go to the caller's own or to the account's. Raises ``Invalid`` (``INVALID_URI``)."""
    if uri.parts not in {("agent", "skills"), ("user", caller.user, "skills")}:
        raise bad_uri(str(uri), "skills go to viking://~/skills or viking://agent/skills")
    return uri
