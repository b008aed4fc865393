"""Cache keys of generated text, by account, generator and input, so that equal inputs are generated once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

FAILED: Final = "!failed"
"""Suffix of a generator id: the model gave no usable answer, the text is the extractive tier's."""
OVER_BUDGET: Final = "extractive!kept"
"""Generator id of tiers that stay extractive because their import used up its token budget."""


def generator_id(name: str, version: str) -> str:
    """Return the value of ``Tiers.made_by``: a writer and the version of its prompts."""
    return f"{'_'.join(name.split())}@{version}"


def cache_key(account: str, by: str, parts: Sequence[str]) -> str:
    """Return the cache key of ``by``'s output for these inputs. Accounts never share an entry."""
    digest = hashlib.sha256()
    for part in (account, by, *parts):
        data = part.encode("utf-8", "replace")
        # Length-prefixed, so that different lists never hash to the same bytes.
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()
