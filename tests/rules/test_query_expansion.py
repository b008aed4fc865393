"""A query that depends on the conversation is expanded; a self-contained one is not."""

import pytest

from recalld.domain.results import ContextEntry
from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.rules.query_expansion import expand_query, expanded_queries
from recalld.rules.recall_markup import render


def msg(text: str, role: str = "user") -> Message:
    return Message("m", role, (), text)


TALK = [msg("I like tea"), msg("Which one?", "assistant"), msg("oolong from Taiwan")]


@pytest.mark.parametrize("query", ["what about it?", "and this", "price?"])
def test_a_leaning_question_takes_the_users_latest_turns(query: str) -> None:
    assert expand_query(query, TALK) == f"{query} I like tea oolong from Taiwan"
    assert expanded_queries(query, TALK) == (query, f"{query} I like tea oolong from Taiwan", "oolong from Taiwan")


@pytest.mark.parametrize("query", ["which harbour has the deepest water", "how do we deploy on Tuesdays"])
def test_a_question_that_stands_alone_is_left_alone(query: str) -> None:
    assert expand_query(query, TALK) == query
    assert expanded_queries(query, TALK) == (query,)


@pytest.mark.parametrize("messages", [[], [msg("hm", "assistant")], [msg("what about it?")], [msg("  ")]])
def test_without_messages_the_query_is_unchanged(messages: list[Message]) -> None:
    assert expanded_queries("what about it?", messages) == ("what about it?",)


def test_recalled_blocks_do_not_expand_a_query() -> None:
    block = render([ContextEntry(Uri(("resources", "x")), "resources", 0.5, "abstract", "zanzibar " * 90)])
    assert expand_query("what about it?", [msg(f"{block}\noolong")]) == "what about it? oolong"
