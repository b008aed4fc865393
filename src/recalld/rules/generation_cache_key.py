"""How what a language model made is named: whose it is, and of which input, so that nothing is asked twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

FAILED: Final = "!failed"
"""After a writer's mark: it was asked and said nothing of use; the words are the extractive tier's."""
KEPT: Final = "extractive!kept"
"""Mark of tiers that stay extractive, since their import had planned all the tokens it may."""


def generator_id(name: str, version: str) -> str:
    """What stands in ``Tiers.made_by``: a writer and the version of its prompts."""
    return f"{'_'.join(name.split())}@{version}"


def cache_key(account: str, by: str, parts: Sequence[str]) -> str:
    """The name of what the writer ``by`` makes of this input. Accounts share nothing, not even this."""
    digest = hashlib.sha256()
    for part in (account, by, *parts):
        data = part.encode("utf-8", "replace")
        # With its length, so that no two lists of parts are one text.
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()
