"""The static model's files."""

from __future__ import annotations

import hashlib

import numpy as np

from recalld.adapters.embedder import static
from recalld.adapters.embedder.llama_tokenizer import LlamaTokenizer
from recalld.adapters.embedder.static import StaticEmbedder, StaticSettings

TABLE = np.frombuffer(static.WEIGHTS.read_bytes()[-32_000 * 256 * 2 :], np.float16).reshape(32_000, 256)
TOKENIZER = LlamaTokenizer.load(static.TOKENIZER, static.TOKENS_MAX)


def test_the_weights_are_those_that_the_fingerprint_names() -> None:
    assert hashlib.sha256(static.WEIGHTS.read_bytes()).hexdigest() == static.WEIGHTS_SHA256


async def test_a_vector_is_the_mean_of_its_tokens_rows() -> None:
    embedder = StaticEmbedder(StaticSettings())
    (row,) = await embedder.embed(["harbour harbour"])
    await embedder.close()
    mean = TABLE[TOKENIZER.encode("harbour harbour")].astype(np.float32).mean(axis=0)
    assert np.allclose(row, mean / np.linalg.norm(mean), atol=1e-6)
