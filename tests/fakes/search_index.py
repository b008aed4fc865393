"""Search indexes with some methods replaced."""

from __future__ import annotations

from typing import Any


class Like:
    """Another object's behaviour but for some methods."""

    def __init__(self, inner: Any, **changed: Any) -> None:
        self._inner = inner
        self.__dict__.update(changed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def with_views(index: Any, **changed: Any) -> Any:
    """Another index's behaviour but for some methods of its views."""

    async def open_(*args: Any, **more: Any) -> Any:
        return Like(await index.open(*args, **more), **changed)

    return Like(index, open=open_)
