"""Keys at rest. A random key is stored as its sha256, a key that is derived from a seed as argon2id, since seeds can be guessed.

Earlier versions stored every key as argon2id, without a prefix.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from recalld.rules.keys import digest, same

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_RANDOM, _SEEDED, _EARLIER = "sha256:", "seeded:", "$argon2id$"


@cache
def _argon2() -> PasswordHasher:
    from argon2 import PasswordHasher

    # OWASP's minimum: 19 MiB, two passes, one lane.
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_random_key(key: str) -> str:
    """The stored form of a key with a random secret."""
    return _RANDOM + digest(key).hex()


def hash_seeded_key(key: str) -> str:
    """The stored form of a key whose secret is derived from a seed. Slow on purpose: for a pool's thread."""
    return _SEEDED + _argon2().hash(key)


def is_slow(stored: str) -> bool:
    """Whether ``verify_key`` is slow, so that it needs a pool's thread."""
    return stored.startswith((_SEEDED, _EARLIER))


def is_outdated(stored: str) -> bool:
    """Whether an earlier version stored it: it is replaced by ``hash_random_key`` once the key is known."""
    return stored.startswith(_EARLIER)


def verify_key(stored: str, key: str) -> bool:
    """Whether this is the key, in a time that does not depend on where it differs. ``stored`` "": a user without a key."""
    if not is_slow(stored):
        return same(stored, hash_random_key(key))
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _argon2().verify(stored.removeprefix(_SEEDED), key)
    except (VerificationError, InvalidHashError):
        return False
