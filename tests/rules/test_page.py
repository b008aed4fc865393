"""A page's abstract: its lead, then what tells it from its siblings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.rules.abstracts import abstract
from recalld.rules.lead import enumerated
from tests.fakes.parsers import built_in

RELEASE = "=========\nApp 1.2.3\n=========\n\nApp 1.2.3 fixes a security issue in 1.2.2.\n\n"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        pytest.param(
            "a.txt",
            RELEASE + "CVE-1: Traversal of directories\n===============================\n\nWords stand here.\n",
            "App 1.2.3 fixes a security issue in 1.2.2. CVE-1: Traversal of directories.",
            id="a single heading",
        ),
        pytest.param(
            "a.txt",
            RELEASE
            + "Bugfixes\n========\n\n* Fixed a crash of the parser (:ticket:`12345`).\n\n* Fixed a leak in the pool.\n",
            "App 1.2.3 fixes a security issue in 1.2.2. Fixed a crash of the parser; Fixed a leak in the pool.",
            id="bullets under a heading that says nothing",
        ),
        pytest.param(
            "a.md",
            "# Cart\n\nThe cart holds what a customer buys.\n\n## Adding items\n\nx\n\n## See also\n\n## Paying\n",
            "The cart holds what a customer buys. Topics: Adding items; Paying.",
            id="headings after the lead",
        ),
        pytest.param(
            "a.md",
            "# 购物车\n\n购物车保存客户要购买的商品。\n\n## 何时使用\n\n## 添加商品\n\n## 支付方式\n",
            "购物车保存客户要购买的商品。主题：添加商品；支付方式。",
            id="in the language of the page",
        ),
        pytest.param(
            "a.rst",
            "Methods\n=======\n\n.. method:: Cart.add(item)\n\n    Returns the item.\n\n.. method:: Cart.pay()\n\n    Pays.\n",
            "Methods: add; pay",
            id="names of members, not one of their sentences",
        ),
        pytest.param(
            "a.md",
            "# Options\n\nThere are two steps in a payment:\n\n1. Check the card.\n2. Send the money.\n",
            "Options: There are two steps in a payment: Check the card; Send the money",
            id="an announced list",
        ),
        pytest.param(
            "a.md",
            "# Tabs\n\n## Overview\n\nTabs split a page into panels.\n\n## API\n",
            "Tabs split a page into panels.",
            id="prose of the introduction",
        ),
        pytest.param(
            "a.rst",
            'Tags\n====\n\nWhile FFmpeg cannot write "gapless_" files, you can use LAME (see :ref:`using-lame`).\n',
            'Tags: While FFmpeg cannot write "gapless" files, you can use LAME.',
            id="references without marks",
        ),
    ],
)
def test_an_abstract_is_the_lead_and_what_distinguishes_the_page(name: str, text: str, found: str) -> None:
    assert abstract(name, built_in().parse(name, text.encode())) == found


def test_the_type_of_an_option_is_no_item_of_an_abstract() -> None:
    text = "- Type: `boolean`\n- Default: `false`\n\nSets the charset of the page.\n"
    assert abstract("charset.md", built_in().parse("charset.md", text.encode())) == "Sets the charset of the page."


def test_a_part_names_the_sections_beside_its_first_one() -> None:
    text = "### Bug fixes\n\n- Avoid a crash of the parser at the end.\n\n### Docker\n\nWords.\n\n### Internal changes\n\nWords.\n"
    part = replace(built_in().parse("02_bug.md", text.encode()), title="Changes › 1.4 › Bug fixes")
    assert abstract("02_bug.md", part) == (
        "Changes › 1.4 › Bug fixes: Avoid a crash of the parser at the end. Also: Docker; Internal changes."
    )


def test_a_title_is_cut_at_a_heading_not_inside_a_word() -> None:
    last = "Contextual translation support for {% trans %} and {% blocktrans %}"
    part = replace(
        built_in().parse("02_x.rst", f"{last}\n{'=' * 70}\n\nIt works.\n".encode()),
        title=f"App 1.4 › {'New ' * 15}› {last}",
    )
    assert abstract("02_x.rst", part).startswith(f"App 1.4 › {last}: ")


@given(st.lists(st.text("ab ", min_size=1, max_size=20), max_size=9), st.integers(0, 60))
def test_names_are_shown_whole_within_their_space(names: list[str], chars_max: int) -> None:
    shown = enumerated(names, chars_max)
    assert len(shown) <= chars_max
    assert all(one == "…" or one in names for one in shown.split("; ") if shown)


@given(st.text(st.sampled_from("ab .:#\n-=*你。："), max_size=500), st.text("ab › ", max_size=90))
def test_an_abstract_fits_whatever_the_page_is(text: str, title: str) -> None:
    for name in ("a.md", "a.rst"):
        assert len(abstract(name, replace(built_in().parse(name, text.encode()), title=title))) <= ABSTRACT_CHARS_MAX
