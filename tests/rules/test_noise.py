"""Text that no reader wants."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.noise import JUDGED_CHARS_MIN, is_noise

PATH = "M8.35292 230.161C8.39773 229.901 8.40495 229.44 8.51 228.2L14.2 18.75C9.1 2.25 8.2 1.5 7.5 0.25Z" * 3
TABLE = "\n".join(f"{k}.25\t{k * 37}\t{k * 11}.5\t{k}" for k in range(60))
SCRIPT = "!function(e,t){var n=e.f||{};for(var r=0;r<t.length;r++){n[t[r]]=e(t[r])&&n;}return(n=e)}(a,b);" * 4
STYLES = ".a{color:red;margin:0}.b>.c{padding:1px 2px;top:0}.d:hover{left:0;right:0}" * 5
BYTES = "\n".join(base64.b64encode(bytes(range(k, k + 57))).decode() for k in range(9))


@pytest.mark.parametrize("text", [PATH, TABLE, SCRIPT, STYLES, BYTES])
def test_noise(text: str) -> None:
    assert is_noise(text)


@pytest.mark.parametrize(
    "text",
    [
        "The quorum of three nodes decides which of them leads, and the others follow it without further questions. "
        * 3,
        "def f(a, b):\n    for x in range(a):\n        b[x] = (a + x) * 2\n    return {k: v for k, v in b.items()}\n"
        * 4,
        json.dumps(
            [{"name": f"Ana{k}", "city": "Oslo", "phone": 5550000 + k} for k in range(9)], separators=(",", ":")
        ),
        "\n".join(f"Ana Berg +47 22 55 {k:02} 01" for k in range(20)),
        "\n".join(f"2026-05-{k:02} 10:00 error: connection refused by host" for k in range(1, 20)),
        "会议记录：我们决定在下周三之前完成测试，然后发布新版本。" * 8,
        "- [Guide](https://example.org/docs/guide.html)\n- [API](https://example.org/docs/api.html)\n" * 5,
        "| 1 | 2.5 | total rent for May |\n| 2 | 3.5 | total rent for June |\n" * 5,
    ],
    ids=["prose", "code", "json", "phones", "log", "chinese", "links", "table"],
)
def test_words_are_no_noise(text: str) -> None:
    assert not is_noise(text)


@given(st.text(max_size=JUDGED_CHARS_MIN - 1))
def test_a_short_text_is_not_judged(text: str) -> None:
    assert not is_noise(text)
