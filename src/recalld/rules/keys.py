"""Keys: ``b64url(account).b64url(user).b64url(secret)`` without padding, so that a key says whose it claims to be."""

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
    """What a key says of itself; nothing of it is proved yet."""

    account: str
    user: str


def compose(account: str, user: str, secret: str) -> str:
    """The key of a member."""
    return ".".join(_encoded(part) for part in (account, user, secret))


def claim(key: str) -> Claim | None:
    """Whose key it claims to be; None for what no member's key looks like."""
    parts = key.split(".")
    if len(key) > KEY_CHARS_MAX or len(parts) != 3:
        return None
    try:
        account, user, secret = (_decoded(part) for part in parts)
        identifier(account, "account")
        identifier(user, "user")
    except (RecalldError, ValueError):
        return None
    # One spelling a key: what decodes to the same parts is not the same key.
    return Claim(account, user) if secret and compose(account, user, secret) == key else None


def derived(seed: str, account: str, user: str) -> str:
    """The secret that a seed stands for: 64 hex digits, the same ones every time, others for every member."""
    if not seed or len(seed) > SEED_CHARS_MAX:
        raise Invalid(
            f"a seed of {len(seed)} characters",
            remedy=f"1 to {SEED_CHARS_MAX} characters that are hard to guess, or omit it for a random key",
            details={"field": "seed"},
        )
    message = b"\0".join((_PURPOSE, account.encode(), user.encode()))
    return hmac.new(seed.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest()


def head(key: str) -> str:
    """What lists show of a key: whose it is, and enough of it to tell it from the one before."""
    who, _, secret = key.rpartition(".")
    return f"{who}.{secret[:_SHOWN]}"


def digest(key: str) -> bytes:
    """What a verified key is remembered by."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not depend on where they differ, nor on how long they are."""
    return hmac.compare_digest(digest(one), digest(other))


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def _decoded(part: str) -> str:
    """Raises ``ValueError`` (``binascii.Error`` and ``UnicodeDecodeError`` are some)."""
    if not part.isascii():
        raise binascii.Error("not base64")
    return urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
