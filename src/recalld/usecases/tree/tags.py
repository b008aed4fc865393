"""Attributes of a node: its tags, and the fields of a memory."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, SetTags
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import ContextType, Kind, Node
from recalld.domain.policy import TAGGED_NODES_MAX, TAGS_MAX
from recalld.domain.results import Attributes, Tagged
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tree
from recalld.rules import memory_footer
from recalld.rules.address import context_type, session_of
from recalld.rules.tags import merged, tags_of

from . import read

NODES_PER_COMMIT = 200
ROUNDS_MAX = 8


async def attributes(uri: Uri, caller: Caller, ports: Ports) -> Attributes:
    """Return a node's tags and, for a memory file, the fields of its footer. Raises ``NotFound``."""
    node = await read.stat(uri, caller, ports)
    if not node.id or node.kind is not Kind.FILE or context_type(uri) is not ContextType.MEMORY:
        return Attributes(uri, node.tags)
    node, data = await ports.ledger.tenant(caller).file(uri)
    return Attributes(uri, node.tags, await ports.compute.run(_fields, data))


async def set_tags(
    uri: Uri, texts: Sequence[str], *, append: bool, recursive: bool, caller: Caller, ports: Ports
) -> Tagged:
    """Set a node's tags, or with ``recursive`` those of all descendants too. Anything but ``key=value`` is left out.

    Nodes that have the tags already are not changed. Raises ``NotFound``; ``Denied`` for nodes without tags of their
    own; ``Invalid`` for too many tags or nodes.
    """
    _check(uri)
    tags = tags_of(texts)
    _check_count(len(tags))
    tenant = ports.ledger.tenant(caller)
    done: dict[Uri, bool] = {}
    for _ in range(ROUNDS_MAX):
        nodes = await _nodes(uri, recursive, tenant)
        pairs = [(node, merged(node.tags, tags, append=append)) for node in nodes if node.uri not in done]
        # The result depends on the node's tags at the time of the change.
        changes = [
            SetTags(n.uri, tags, append=append, optional=n.uri != uri) for n, new_tags in pairs if new_tags != n.tags
        ]
        done |= {node.uri: False for node, new_tags in pairs if new_tags == node.tags}
        for start in range(0, len(changes), NODES_PER_COMMIT):
            receipt = await tenant.commit(Commit(tuple(changes[start : start + NODES_PER_COMMIT])))
            done |= dict.fromkeys(receipt.updated, True) | dict.fromkeys(receipt.unchanged, False)
        if all(change.uri in done for change in changes):
            break  # else some were moved or removed meanwhile: read again
    changed = tuple(at for at, new in done.items() if new)
    return Tagged(uri, changed, len(done) - len(changed), tags)


async def _nodes(uri: Uri, recursive: bool, tree: Tree) -> list[Node]:
    top = await tree.stat(uri)
    below = []
    if recursive and top.is_dir:
        below = [e.node for e in await tree.walk(uri, depth_max=DEPTH_MAX, nodes_max=TAGGED_NODES_MAX + 1)]
    if len(below) > TAGGED_NODES_MAX:
        raise Invalid(
            f"{uri} has more than {TAGGED_NODES_MAX} entries",
            remedy="tag its subdirectories one by one",
            code="RESOURCE_EXHAUSTED",
            details={"uri": str(uri), "limit": TAGGED_NODES_MAX},
        )
    # Directories that exist implicitly have no row to tag.
    return [node for node in (top, *below) if node.id and not session_of(node.uri)]


def _check(uri: Uri) -> None:
    if len(uri.parts) < 2 and uri.parts != ("resources",):
        raise Denied(f"{uri} cannot be tagged", remedy="tag what lies below it", details={"uri": str(uri)})
    if session_of(uri):
        raise Denied(
            f"{uri} belongs to a session and has no tags",
            remedy="set memory_extraction_config.events.tags of the session: its memories will have them",
            details={"uri": str(uri)},
        )


def _check_count(count: int) -> None:
    if count > TAGS_MAX:
        raise Invalid(f"{count} tags on one entry", remedy=f"at most {TAGS_MAX}", details={"field": "tags"})


def _fields(data: bytes) -> dict[str, object]:
    return memory_footer.read(data.decode("utf-8", "replace"))
