"""Token ids equal those of the library tokenizers; ``token_ids.json`` holds the library's."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.adapters.embedder import llama_tokenizer, minilm, static
from recalld.adapters.embedder.llama_tokenizer import LlamaTokenizer
from recalld.adapters.embedder.wordpiece import WordPiece

RECORDS = json.loads(Path(__file__).with_name("token_ids.json").read_text(encoding="utf-8"))
MODEL: dict[str, Any] = json.loads(static.TOKENIZER.read_bytes())["model"]
IDS: dict[str, int] = MODEL["vocab"]
MERGES = [tuple(pair.split(" ")) for pair in MODEL["merges"]]
RANKS = {pair: rank for rank, pair in enumerate(MERGES)}
LLAMA = LlamaTokenizer.load(static.TOKENIZER, static.TOKENS_MAX)
WORDPIECE = WordPiece(lzma.decompress(minilm.VOCABULARY.read_bytes()).decode().splitlines(), 256)
BYTES = {f"<0x{byte:02X}>" for byte in range(256)}


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_ids_equal_the_librarys(record: dict[str, Any]) -> None:
    assert LLAMA.encode(record["text"]) == record["static"]
    assert WORDPIECE.encode(record["text"]) == record["minilm"]


def test_a_cached_word_gives_the_same_ids() -> None:
    text = "twice or twice"
    assert LLAMA.encode(text) == LLAMA.encode(text)
    assert WORDPIECE.encode(text)[1] == WORDPIECE.encode(text)[3]


def test_the_files_merges_are_the_pairs_of_tokens_that_make_a_token_in_our_order() -> None:
    pairs = [
        (set(token) == {llama_tokenizer.SPACE}, rank, IDS[token[:cut]], (token[:cut], token[cut:]))
        for token, rank in IDS.items()
        for cut in range(1, len(token))
        if token[:cut] in IDS and token[cut:] in IDS
    ]
    assert [pair for *_, pair in sorted(pairs)] == MERGES


def test_no_token_is_cut_between_words() -> None:
    tokens = set(IDS) - BYTES - {"<unk>", "<s>", "</s>"}
    assert [token for token in tokens if llama_tokenizer.WORD.findall(token) != [token]] == []


@given(st.text(st.sampled_from("aelrst ▁.,'\n01éß’«»字符🙂\u0301"), max_size=40))
def test_ids_equal_those_of_the_plain_algorithm(text: str) -> None:
    assert LLAMA.encode(text) == plain_ids(text)


def test_a_run_without_a_boundary_takes_no_quadratic_time() -> None:
    run = "ab" * 4_096
    assert len(LLAMA.encode(run)) == static.TOKENS_MAX
    assert WORDPIECE.encode(run)[1:-1] == [WORDPIECE.encode("[UNK]")[1]]


def plain_ids(text: str) -> list[int]:
    """Merge the pair of the lowest rank in the whole text, the leftmost first, until none is left."""
    tokens = list("▁" + text.replace(" ", "▁")) if text else []
    while True:
        ranked = [(RANKS[pair], at) for at, pair in enumerate(zip(tokens, tokens[1:], strict=False)) if pair in RANKS]
        if not ranked:
            break
        _, at = min(ranked)
        tokens[at : at + 2] = [tokens[at] + tokens[at + 1]]
    return [
        number
        for token in tokens
        for number in ([IDS[token]] if token in IDS else [IDS[f"<0x{byte:02X}>"] for byte in token.encode()])
    ]
