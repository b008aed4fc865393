"""Static token vectors: a table lookup and a mean, tens of thousands of texts a second, no forward pass."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recalld.ports.plugin import Plugin

from .llama_tokenizer import LlamaTokenizer
from .local import LocalEmbedder

FOLDER = Path(__file__).parent / "wordllama"
WEIGHTS = FOLDER / "l2_supercat_256.safetensors"
WEIGHTS_SHA256 = "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
TOKENIZER = FOLDER / "l2_supercat_tokenizer_config.json"
TOKENS_MAX = 1_024
WIDTH = 256

Table = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """``text_chars_max``: longer texts are cut."""

    text_chars_max: int = 8_192


class StaticEmbedder(LocalEmbedder[tuple[Table, LlamaTokenizer]]):
    """The two files are those of the package wordllama 0.4.0.post1 (``scripts/wordllama_files.py``)."""

    name = "static"
    width = WIDTH
    batch_max = 256
    waiting_max = 64
    floor = 0.10
    ceiling = 0.75
    fingerprint = f"wordllama-l2-supercat-256/{WEIGHTS_SHA256[:16]}/mean/unit"

    def __init__(self, settings: StaticSettings) -> None:
        super().__init__(settings.text_chars_max)

    def _load(self) -> tuple[Table, LlamaTokenizer]:
        return _map_table(WEIGHTS), LlamaTokenizer.load(TOKENIZER, TOKENS_MAX)

    def _compute(self, model: tuple[Table, LlamaTokenizer], texts: list[str], query: bool) -> NDArray[np.float32]:
        table, tokenizer = model
        rows = np.zeros((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            if ids := tokenizer.encode(text):
                rows[row] = table[ids].mean(axis=0, dtype=np.float32)
        return rows


def _map_table(path: Path) -> Table:
    """Map the one tensor of a safetensors file (header length, header as JSON, data). Only rows that are read take memory."""
    with path.open("rb") as file:
        start = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start))
    (tensor,) = (value for name, value in header.items() if name != "__metadata__")
    begin = 8 + start + tensor["data_offsets"][0]
    return np.memmap(path, np.float16, "r", begin, tuple(tensor["shape"]))


plugin = Plugin("embedder", "static", StaticSettings, StaticEmbedder, instant=True)
