"""The settings that a server sends its worker over their socket: job settings and provider keys.

They are never in arguments or the environment, which other programs can read. The server's own section is left out: a
worker needs neither authentication settings nor the root key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from recalld.adapters.ipc.remote_writes import METHODS
from recalld.domain.errors import Conflict
from recalld.infra.ipc import protocol_version

from .config import Config

SECRET_CHARS_MIN = 4
"""A shorter value occurs in too many places to be traced."""


def encode_settings(config: Config) -> bytes:
    """Serialise the settings as JSON, with the protocol's version. Paths are absolute, since the worker has another working
    directory."""
    settings = config.model_copy(update={"data": config.folder.absolute()}).model_dump(exclude={"server"})
    return orjson.dumps({"protocol": protocol_version(METHODS), "settings": _plain(settings)})


def decode_settings(data: bytes) -> Config:
    """Parse the settings. Raises ``Conflict`` if the server speaks another version of the protocol."""
    greeting = orjson.loads(data)
    if greeting.get("protocol") != protocol_version(METHODS):
        raise Conflict(
            "the server that started this worker runs another version of recalld", remedy="restart the server"
        )
    return Config(**greeting["settings"])


def secret_values(config: Config) -> frozenset[str]:
    """Return every key and password in the settings, including the root key."""
    return frozenset(one for one in _secret_values(config.model_dump()) if len(one) >= SECRET_CHARS_MIN)


def _secret_values(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _secret_values(part)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
