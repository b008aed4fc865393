"""Weights of an ONNX file, without the package onnx: a reader of the few protobuf fields that hold them.

Field numbers are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, initializer 5; NodeProto.input 1, output 2,
op_type 4; TensorProto.dims 1, data_type 2, raw_data 9, name 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Upstream

TYPES = {1: np.float32, 3: np.int8}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the graph."""

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_weights(content: memoryview) -> dict[str, NDArray[np.generic]]:
    """Return tensors by name, as views of ``content``. A matrix that has lost its name to the exporter (``val_49_q``, with
    ``val_49_scale``) gets the one of the bias that is added to its product: ``….weight_q`` and ``….weight_scale``."""
    tensors, nodes = read_graph(content)
    matrices: dict[str, str] = {}
    for node in nodes:
        if node.operation == "MatMul":
            matrices[node.outputs[0]] = node.inputs[1]
        elif node.operation == "Add":
            matrix, bias = matrices.get(node.inputs[0], ""), node.inputs[1]
            if bias.endswith(".bias") and f"{matrix}_q" in tensors:
                for part in ("q", "scale"):
                    tensors[f"{bias.removesuffix('bias')}weight_{part}"] = tensors.pop(f"{matrix}_{part}")
    return tensors


def read_graph(content: memoryview) -> tuple[dict[str, NDArray[np.generic]], list[Node]]:
    """Return tensors of the ``TYPES`` by name, as views of ``content``, and nodes in their order. Raises ``Upstream`` for
    what is no protobuf."""
    tensors: dict[str, NDArray[np.generic]] = {}
    nodes: list[Node] = []
    for field, value in _messages(content):
        if field != 7:
            continue
        for part, inner in _messages(value):
            if part == 5:
                tensors |= _tensor(inner)
            elif part == 1:
                nodes.append(_node(inner))
    return tensors, nodes


def _tensor(content: memoryview) -> dict[str, NDArray[np.generic]]:
    shape: list[int] = []
    kind, name, raw = 0, "", memoryview(b"")
    for field, value in _fields(content):
        match field, value:
            case 1, int(size):
                shape.append(size)
            case 1, memoryview():
                shape += _packed(value)
            case 2, int(number):
                kind = number
            case 8, memoryview():
                name = str(value, "utf-8")
            case 9, memoryview():
                raw = value
    return {name: np.frombuffer(raw, TYPES[kind]).reshape(shape)} if kind in TYPES else {}


def _node(content: memoryview) -> Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 4: []}
    for field, value in _messages(content):
        if field in texts:
            texts[field].append(str(value, "utf-8"))
    return Node(texts[4][0], tuple(texts[1]), tuple(texts[2]))


def _messages(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    return ((field, value) for field, value in _fields(content) if isinstance(value, memoryview))


def _packed(content: memoryview) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field numbers with integers, or with bytes for strings and messages; skip fixed-width fields."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        match key & 7:
            case 0:
                value, at = _varint(content, at)
                yield key >> 3, value
            case 2:
                size, at = _varint(content, at)
                yield key >> 3, content[at : at + size]
                at += size
            case 1:
                at += 8
            case 5:
                at += 4
            case kind:
                raise Upstream(f"the ONNX file has a field of the unknown wire type {kind}")


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
