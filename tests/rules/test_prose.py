"""Each format's headings are headings, and only its prose is prose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.prose import FORMATS, blocks, format_of, is_prose, sections
from recalld.rules.text_blocks import BlockKind

TEXT = st.text(st.sampled_from("ab .:=-~`#*|+[]<>/{}\n\n\n  你1"), max_size=300)

RST = """.. _start:

=====
Title
=====

:Author: Ana

.. image:: a.png
   :alt: no

The first paragraph is
about storage::

    code here

Part
====

.. note:: Mind the gap between them.

=====  =====
a      b
=====  =====
1      2
=====  =====

>>> run()
output

- An item of words.

Deeper
------

term
    Its meaning in words.
"""
ADOC = """= Title
Ana <ana@x.y>
:name: value

ifndef::x[]
include::y.adoc[]
endif::[]

[[id]]
== Part

.Caption
[source,ruby]
----
code
----

The paragraph is
here.

NOTE: Mind the gap.

|===
|a |b
|===

* An item.
"""
ORG = """#+TITLE: Title
#+AUTHOR: Ana

* TODO Part :tag:
:PROPERTIES:
:ID: 1
:END:
The paragraph is
here.
#+BEGIN_SRC sh
code
#+END_SRC
** Deeper
| a | b |
- An item.
"""
MD = """---
title: x
---
import X from 'y'

# Title

<!-- comment
lines -->
<Tabs
  items={[1]}>

The paragraph is
**here**.

> [!note] Mind
> the gap.

:::tip
Aside.
:::

#tag #other

| a | b |
|---|---|
| 1 | 2 |

## Part

- An item.
"""


HTML = """<nav>no</nav><h1>Title</h1><p>The <b>paragraph</b> is
here.</p><pre>x</pre><h2>Part</h2><ul><li>An item.</ul>
"""
BOTH = ["The paragraph is here.", "An item."]


@pytest.mark.parametrize(
    ("media", "text", "headings", "prose"),
    [
        (
            "text/rst",
            RST,
            [("Title", 1), ("Part", 2), ("Deeper", 3)],
            ["The first paragraph is about storage:", "An item of words.", "Its meaning in words."],
        ),
        ("text/asciidoc", ADOC, [("Title", 1), ("Part", 2)], BOTH),
        ("text/org", ORG, [("Part", 1), ("Deeper", 2)], BOTH),
        ("text/markdown", MD, [("Title", 1), ("Part", 2)], BOTH),
        ("text/html", HTML, [("Title", 1), ("Part", 2)], BOTH),
    ],
)
def test_a_format_is_headings_and_prose(
    media: str, text: str, headings: list[tuple[str, int]], prose: list[str]
) -> None:
    found = list(blocks(text, media))
    assert [(b.text, b.depth) for b in found if b.kind is BlockKind.HEADING] == headings
    assert [b.text for b in found if b.kind in {BlockKind.TEXT, BlockKind.ITEM, BlockKind.MEMBER}] == prose


@given(TEXT, st.sampled_from(FORMATS))
def test_sections_joined_are_the_text(text: str, media: str) -> None:
    assert "".join(section.text for section in sections(text, media)) == text


@given(TEXT, st.sampled_from([*FORMATS, "text/html", "text/plain"]))
def test_every_block_is_one_line_with_words(text: str, media: str) -> None:
    assert all(b.text and "\n" not in b.text for b in blocks(text, media))


@pytest.mark.parametrize(
    "line",
    [
        "$ pip install it",
        "fastapi>=0.1 and more here",
        "x = y",
        "git+https://${TOKEN}@github.com/a/b.git",
        "1 2 3 4 5",
        "foo.bar(baz);",
        "8.35292C230.161 8.39773 229.901 8.40495",
        "import a from b",
    ],
)
def test_code_and_numbers_are_no_prose(line: str) -> None:
    assert not is_prose(line)


@pytest.mark.parametrize(
    "line",
    [
        "The store keeps it.",
        "上下文数据库保存智能体的记忆。",
        "recalld serve answers on http://127.0.0.1:1933.",
        "Der Speicher hält alles.",
    ],
)
def test_sentences_are_prose(line: str) -> None:
    assert is_prose(line)


@pytest.mark.parametrize(
    ("text", "media"),
    [
        (".. module:: x\n\nWords.\n", "text/rst"),
        ("= T\n\ninclude::a.txt[]\n", "text/asciidoc"),
        ("Just words.\n", "text/plain"),
    ],
)
def test_plain_text_is_known_by_its_signs(text: str, media: str) -> None:
    assert format_of(text, "text/plain") == media
