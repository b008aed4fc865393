"""Settings of accounts and members in the registry, by their API names."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.uri import Uri, bad_uri

ADD_TARGETS = "add_targets"
MEMORY_POLICY = "memory_policy"
AGENT_EVOLUTION = "agent_evolution"


def check_skill_root(uri: Uri, caller: Caller) -> Uri:
    """Check that skills go to the caller's own tree or to the account's. Raises ``Invalid`` (``INVALID_URI``)."""
    if uri.parts not in {("agent", "skills"), ("user", caller.user, "skills")}:
        raise bad_uri(str(uri), "skills go to viking://~/skills or viking://agent/skills")
    return uri
