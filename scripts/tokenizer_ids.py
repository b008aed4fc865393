"""Whether our tokenizers give the ids of the library tokenizers, and how fast both are.

    pip install tokenizers
    python scripts/tokenizer_ids.py TEXTS...

TEXTS are files with one JSON string a line (.jsonl), or folders of text files. Exits 1 if ids differ.
"""

from __future__ import annotations

import json
import lzma
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import BertWordPieceTokenizer, Tokenizer

from recalld.adapters.embedder import minilm, static
from recalld.adapters.embedder.llama_tokenizer import LlamaTokenizer
from recalld.adapters.embedder.wordpiece import WordPiece

CHARS_MAX = 8_192
Encode = Callable[[str], list[int]]


def texts(path: Path) -> Iterator[str]:
    """The texts below a path, cut as the embedders cut them."""
    if path.is_dir():
        yield from (
            file.read_text("utf-8", "replace")[:CHARS_MAX] for file in sorted(path.rglob("*")) if file.is_file()
        )
    else:
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line)[:CHARS_MAX] for line in lines)


def pairs() -> dict[str, tuple[Encode, Encode]]:
    """Our encoder and the library's, by the name of the model."""
    llama: Any = Tokenizer.from_file(str(static.TOKENIZER))
    llama.no_padding()
    llama.enable_truncation(static.TOKENS_MAX)
    words = lzma.decompress(minilm.VOCABULARY.read_bytes()).decode().splitlines()
    bert: Any = BertWordPieceTokenizer(vocab={word: k for k, word in enumerate(words)}, lowercase=True)
    bert.enable_truncation(256)
    return {
        "static": (
            LlamaTokenizer.load(static.TOKENIZER, static.TOKENS_MAX).encode,
            lambda text: llama.encode(text, add_special_tokens=False).ids,
        ),
        "minilm": (WordPiece(words, 256).encode, lambda text: bert.encode(text).ids),
    }


def characters() -> list[str]:
    """Every character of Unicode 3.2, alone and inside a word. The library's tables of later ones are older than Python's."""
    points = [
        chr(point) for point in range(0x30000) if unicodedata.ucd_3_2_0.category(chr(point)) not in {"Cn", "Cs", "Co"}
    ]
    return [f"{char} x{char}Y {char}" for char in points]


def main(paths: list[str]) -> int:
    """Print one line for each model."""
    sample = [text for path in paths for text in texts(Path(path))]
    megabytes = sum(len(text.encode("utf-8", "replace")) for text in sample) / 1e6
    differing = False
    for name, (ours, library) in pairs().items():
        rates, ids = [], []
        for encode in (ours, library):
            start = time.process_time()
            ids.append([encode(text) for text in sample])
            rates.append(megabytes / (time.process_time() - start))
        wrong = [text for text, a, b in zip(sample, *ids, strict=True) if a != b]
        odd = [text for text in characters() if ours(text) != library(text)]
        differing |= bool(wrong)
        print(
            f"{name}: {len(sample)} texts, {megabytes:.1f} MB: {len(wrong)} differ; {len(odd)} single characters differ; ",
            end="",
        )
        print(f"{rates[0]:.2f} MB a CPU second, the library {rates[1]:.2f}")
        for text in wrong[:5] + odd[:5]:
            print(f"   {text[:60]!r}")
    return int(differing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
