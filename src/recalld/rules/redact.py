"""Makes errors safe to show: keys, tokens and passwords are redacted and the text is truncated to a few lines."""

from __future__ import annotations

import re

HIDDEN = "[REDACTED]"
ERROR_CHARS_MAX = 500
_SCANNED_CHARS = 4_000
_WORDS = r"(?:api[_-]?key|access[_-]?key|secret|token|password|passwd|authorization|credentials?|x-api-key)"
_SECRETS = (
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{1,200}:[^\s/@]{1,500}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # api_key=..., "token": "...", password is ...
    (
        re.compile(rf"""(\b\w{{0,40}}{_WORDS}["']?\s{{0,3}}[=:]\s{{0,3}}["']?)[^\s"',;&)}}\]]{{3,}}""", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    # Keys recognised by their form: sk-..., ghp_..., AKIA..., JSON web tokens, our own three-part keys, long hexadecimal ones.
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abprs]|hf|AIza)[-_A-Za-z0-9]{12,}"), HIDDEN),
    (re.compile(r"\bAKIA[A-Z0-9]{12,}"), HIDDEN),
    (re.compile(r"\b[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{32,}"), HIDDEN),
    (re.compile(r"\b[0-9a-f]{40,}\b", re.IGNORECASE), HIDDEN),
)


def hidden(text: str) -> str:
    """Return the whole text with secrets redacted."""
    for looks, instead in _SECRETS:
        text = looks.sub(instead, text)
    return text


def redacted(error: str, chars_max: int = ERROR_CHARS_MAX) -> str:
    """Return the text redacted, then truncated; the other order could leave half a key."""
    return hidden(error[:_SCANNED_CHARS])[:chars_max]
