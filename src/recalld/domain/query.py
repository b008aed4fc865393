"""What is asked of recall."""

from __future__ import annotations

from dataclasses import dataclass

from .node import ContextType
from .uri import Uri

QUERY_CHARS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    ``targets``: subtrees to search, () = the caller's own tree and the account's resources; ``types``/``levels``: () =
    all; ``tags``: ``k=v``, all must be on the node; ``since``/``until``: epoch seconds against ``time_field``
    (``updated_at`` or ``created_at``); ``score_min``: hits must score above it, None = the default cut.
    """

    text: str
    targets: tuple[Uri, ...] = ()
    types: tuple[ContextType, ...] = ()
    levels: tuple[int, ...] = ()
    limit: int = 10
    score_min: float | None = None
    tags: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    time_field: str = "updated_at"
    exclude_session: str = ""
    messages: bool = True
