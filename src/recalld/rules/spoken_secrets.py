"""Credentials pasted into a conversation: redacted in everything derived from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from recalld.domain.session import Message

from .redact import HIDDEN

_NAMES = (
    r"(?:api[_ -]?key|access[_ -]?key|secret[_ -]?key|private[_ -]?key|client[_ -]?secret|secret|token|passw(?:or)?d|"
    r"passphrase|credentials?)"
)
# A value other than a plain word.
_VALUE = (
    r"""(?=[^\s"'`,;]{0,80}[\d!$%^&*+=/@#])[^\s"'`,;]{6,}"""  # six characters with a digit or a sign among them
    r"|[A-Za-z0-9_+/=-]{20,}"
)
_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
        HIDDEN,
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{1,200}:[^\s/@]{1,500}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (
        re.compile(r"\b(Bearer|Basic)\s+(?=[A-Za-z._~+/=-]{0,200}\d)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE),
        rf"\1 {HIDDEN}",
    ),
    (
        re.compile(
            rf"""(\b\w{{0,40}}{_NAMES}["'`]?\s{{0,3}}(?:[=:]|\bis\b|\bwas\b)\s{{0,3}}["'`]?)(?:{_VALUE})""",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(?:sk|pk|rk|whsec)[-_](?=[A-Za-z_-]{0,80}\d)[A-Za-z0-9_-]{16,}"), HIDDEN),
    (
        re.compile(
            r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|hf_|npm_|pypi-|dop_v1_|shpat_|SG\.|ya29\.|AIza|AGE-SECRET-KEY-)[A-Za-z0-9_.-]{16,}"
        ),
        HIDDEN,
    ),
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]*"), HIDDEN),
    (re.compile(r"\b[A-Za-z0-9_-]{4,200}\.[A-Za-z0-9_-]{4,200}\.(?=[A-Za-z_-]{0,200}\d)[A-Za-z0-9_-]{32,}"), HIDDEN),
)


def without_credentials(text: str) -> str:
    """Return the text with keys, tokens and passwords redacted. Hashes of commits and files stay."""
    for looks, instead in _PATTERNS:
        text = looks.sub(instead, text)
    return text


def hidden(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages with texts that may be quoted; their parts are unchanged."""
    return tuple(m if (safe := without_credentials(m.text)) == m.text else replace(m, text=safe) for m in messages)
