"""Static token vectors: a table lookup and a mean, tens of thousands of texts a second, no forward pass."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Upstream
from recalld.ports.plugin import Plugin

from .local import LocalEmbedder

WEIGHTS = "weights/l2_supercat_256.safetensors"
WEIGHTS_SHA256 = "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
WIDTH = 256


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """``text_chars_max``: longer texts are cut."""

    text_chars_max: int = 8_192


class StaticEmbedder(LocalEmbedder[tuple[NDArray[np.float16], Any]]):
    """The package wordllama carries the weights. Its own loader, which may use the network, is never used."""

    name = "static"
    width = WIDTH
    batch_max = 256
    waiting_max = 64
    floor = 0.10
    ceiling = 0.75
    fingerprint = f"wordllama-l2-supercat-256/{WEIGHTS_SHA256[:16]}/mean/unit"

    def __init__(self, settings: StaticSettings) -> None:
        super().__init__(settings.text_chars_max)

    def _load(self) -> tuple[NDArray[np.float16], Any]:
        return _load()

    def _compute(self, model: tuple[NDArray[np.float16], Any], texts: list[str], query: bool) -> NDArray[np.float32]:
        table, tokenizer = model
        rows = np.zeros((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            encoded = tokenizer.encode(text, add_special_tokens=False)
            if encoded.ids:
                rows[row] = table[encoded.ids].mean(axis=0, dtype=np.float32)
        return rows


def _load() -> tuple[NDArray[np.float16], Any]:
    """Return the memory-mapped table and its tokenizer. Raises ``Upstream`` if the package's files have other checksums."""
    # Heavy: loaded when the first text arrives.
    from tokenizers import Tokenizer

    found = find_spec("wordllama")
    if found is None or found.origin is None:
        raise Upstream("the package wordllama is missing", remedy="pip install wordllama")
    folder = Path(found.origin).parent
    try:
        with (folder / WEIGHTS).open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest() == WEIGHTS_SHA256
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except OSError as gone:
        raise Upstream(
            f"wordllama carries no {gone.filename}", remedy="pip install --force-reinstall wordllama"
        ) from gone
    if not known:
        raise Upstream("wordllama's weights are not the known ones", remedy="pip install 'wordllama==0.4.0.post1'")
    tokenizer.no_padding()
    tokenizer.enable_truncation(1_024)
    return _table(folder / WEIGHTS), tokenizer


def _table(path: Path) -> NDArray[np.float16]:
    """Map the one tensor of a safetensors file (header length, header as JSON, data). Only rows that are read take memory."""
    with path.open("rb") as file:
        start = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start))
    (tensor,) = (value for name, value in header.items() if name != "__metadata__")
    begin = 8 + start + tensor["data_offsets"][0]
    return np.memmap(path, np.float16, "r", begin, tuple(tensor["shape"]))


plugin = Plugin("embedder", "static", StaticSettings, StaticEmbedder)
