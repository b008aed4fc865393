"""Keys at rest: argon2id, each with a salt of its own. Slow on purpose: call these on a pool's thread."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_PLACEHOLDER_KEY = "a key that belongs to no member"


@cache
def _hasher() -> PasswordHasher:
    # OWASP's floor (19 MiB, two passes, one lane). Secrets are 256 random bits: what is slow here is for guessed seeds.
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_key(key: str) -> str:
    """What is stored of a key."""
    return _hasher().hash(key)


def verify_key(stored: str, key: str) -> bool:
    """Whether this is the key. "" stands for a member that does not exist, and takes as long to refuse."""
    try:
        return _hasher().verify(stored or _placeholder_hash(), key) and stored != ""
    except (VerificationError, InvalidHashError):
        return False


@cache
def _placeholder_hash() -> str:
    return hash_key(_PLACEHOLDER_KEY)
