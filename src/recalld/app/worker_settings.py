"""What a server tells its worker over their socket before anything else: the settings of the work, and the providers' keys.

Never in arguments or the environment, which other programs can read. The server's own section stays behind: who may come in,
and the root key, are nothing a worker needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from .config import Config

SECRET_CHARS_MIN = 4
"""A shorter value is found in too many places to tell where it came from."""


def encode_settings(config: Config) -> bytes:
    """The settings as JSON, paths absolute: the worker stands in another folder."""
    settings = config.model_copy(update={"data": config.folder.absolute()}).model_dump(exclude={"server"})
    return orjson.dumps(_plain(settings))


def decode_settings(data: bytes) -> Config:
    """The settings back."""
    return Config(**orjson.loads(data))


def secret_values(config: Config) -> frozenset[str]:
    """Every key and password in the settings, the root key too."""
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
