"""The tree: reads of directories, files and their tiers."""

from __future__ import annotations

from typing import Protocol

from recalld.domain.document import Tiers
from recalld.domain.node import Entry, Node
from recalld.domain.uri import Uri


class Tree(Protocol):
    """The tree as one caller sees it."""

    async def stat(self, uri: Uri) -> Node:
        """The node at ``uri``. Raises ``NotFound``. Namespace roots (viking://, resources, user, agent, user/{me} and
        its memories, resources, skills, peers, privacy, sessions) always exist."""

    async def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        """Everything below ``uri`` in pre-order, level by level at most ``depth_max`` deep; the same rules as ``list``."""

    async def read(self, uri: Uri) -> bytes:
        """A file's or message's bytes. Raises ``NotFound``; ``Invalid`` for a directory."""

    async def file(self, uri: Uri) -> tuple[Node, bytes]:
        """A file or message with its bytes, both of the same moment. Raises as ``read``."""

    async def tiers(self, uri: Uri) -> Tiers | None:
        """A node's L0/L1 (None = not made yet). Raises ``NotFound``."""

    async def grep_candidates(
        self, uri: Uri, *, literal: str, fold: bool, depth_max: int, after: int, limit: int
    ) -> list[tuple[Node, bytes]]:
        """Files below ``uri`` with id > ``after`` in id order, with their bytes, for a scan by regular expression.

        ``literal``: a string of at least 3 characters every match must contain, used to skip files ("" = all files);
        ``fold``: it is lower-case and compared without ASCII case. Binary media, hidden files and messages are left
        out, unless ``uri`` lies in a message directory."""

    async def count(self, uri: Uri) -> int:
        """How many entries ``list`` would show of a directory (0 of a file). Raises ``NotFound``."""

    async def names(self, uri: Uri, *, nodes_max: int) -> list[Entry]:
        """Paths below ``uri`` for a glob, without abstracts: cheap. Hidden and messages as in ``list``."""

    async def size(self, uri: Uri) -> int:
        """How many entries a removal of ``uri`` would take, itself and hidden ones included; 0 if it is not there."""

    # Last, because below it the word list means this method.
    async def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        """Children in name order, directories first; dot files only if ``hidden``; message directories never, unless
        ``uri`` is one. Directories carry their abstract. Raises ``NotFound``; ``Conflict`` if ``uri`` is a file."""
