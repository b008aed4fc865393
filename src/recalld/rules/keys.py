"""API keys: ``b64url(account).b64url(user).b64url(secret)`` without padding, so that a key names its owner."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from recalld.domain.caller import identifier
from recalld.domain.errors import Invalid, RecalldError

KEY_CHARS_MAX = 1_024
SEED_CHARS_MAX = 1_024
_SHOWN = 6
_PURPOSE = b"recalld member key v1"


@dataclass(frozen=True, slots=True)
class Claim:
    """The owner that a key names, not yet verified."""

    account: str
    user: str


def compose(account: str, user: str, secret: str) -> str:
    """Return the key of a member."""
    return ".".join(urlsafe_b64encode(part.encode()).rstrip(b"=").decode("ascii") for part in (account, user, secret))


def claim(key: str) -> Claim | None:
    """Return the owner that a key names; None if the key is malformed."""
    parts = key.split(".")
    if len(key) > KEY_CHARS_MAX or len(parts) != 3:
        return None
    try:
        account, user, secret = (_decoded(part) for part in parts)
        identifier(account, "account")
        identifier(user, "user")
    except (RecalldError, ValueError):
        return None
    # A key has one spelling: another text that decodes to the same parts is refused.
    return Claim(account, user) if secret and compose(account, user, secret) == key else None


def derived(seed: str, account: str, user: str) -> str:
    """Return the secret derived from a seed: 64 hex digits, stable, different for every member."""
    if not seed or len(seed) > SEED_CHARS_MAX:
        raise Invalid(
            f"a seed of {len(seed)} characters",
            remedy=f"1 to {SEED_CHARS_MAX} characters that are hard to guess, or omit it for a random key",
            details={"field": "seed"},
        )
    message = b"\0".join((_PURPOSE, account.encode(), user.encode()))
    return hmac.new(seed.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest()


def head(key: str) -> str:
    """Return the part of a key that lists show: its owner and enough to distinguish it from an earlier key."""
    who, _, secret = key.rpartition(".")
    return f"{who}.{secret[:_SHOWN]}"


def digest(key: str) -> bytes:
    """Return the cache key of a verified key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that depends neither on their difference nor on their length."""
    return hmac.compare_digest(digest(one), digest(other))


def _decoded(part: str) -> str:
    """Raises ``ValueError`` (including ``binascii.Error`` and ``UnicodeDecodeError``)."""
    if not part.isascii():
        raise binascii.Error("not base64")
    return urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
