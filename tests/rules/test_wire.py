"""Messages as the wire writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.domain.session import MESSAGE_BYTES_MAX
from recalld.rules.wire import message_from, moment, text_of, tokens

NOW = 1_715_169_600.0


def test_content_becomes_a_text_part() -> None:
    message = message_from({"role": "user", "content": "hi"}, "msg_1", NOW)
    assert (message.id, message.text, message.parts) == ("msg_1", "hi", ({"type": "text", "text": "hi"},))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-05-08", 1_683_504_000.0),
        ("2023-05-08T10:00", 1_683_540_000.0),
        ("2023-05-08T10:00:00Z", 1_683_540_000.0),
        ("nonsense", NOW),
        ("", NOW),
    ],
)
def test_created_at_may_be_anything(text: str, at: float) -> None:
    assert moment(text, NOW) == at


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("role", {"content": "x"}),
        ("content", {"role": "user"}),
        ("parts", {"role": "user", "parts": []}),
        ("id", {"role": "user", "content": "x", "id": "../x"}),
        ("parts.image_url", {"role": "user", "parts": [{"type": "image_url", "image_url": {"url": ""}}]}),
    ],
)
def test_a_bad_field_is_named(field: str, raw: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        message_from(raw, "m", NOW)
    assert refused.value.details["field"] == field


def test_a_message_of_one_megabyte_is_fine_and_too_large_is_said() -> None:
    assert message_from({"role": "user", "content": "x" * 1_048_576}, "m", NOW).text
    with pytest.raises(Invalid) as refused:
        message_from({"role": "user", "content": "x" * MESSAGE_BYTES_MAX}, "m", NOW)
    assert refused.value.details["limit"] == MESSAGE_BYTES_MAX


def test_an_unknown_part_is_kept_as_text() -> None:
    message = message_from({"role": "user", "parts": [{"type": "video", "text": "hello"}]}, "m", NOW)
    assert message.text == "hello"


def test_tools_show_what_went_in_and_out() -> None:
    assert (
        text_of(({"type": "tool", "tool_name": "ls", "tool_input": {"p": 1}, "tool_output": "a"},))
        == '[tool ls] {"p": 1}\na'
    )


@given(st.text(max_size=200), st.text(max_size=200))
def test_tokens_never_shrink_when_text_grows(a: str, b: str) -> None:
    assert tokens(a + b) >= max(tokens(a), tokens(b))


def test_cjk_counts_more() -> None:
    assert tokens("你好") == 3
    assert tokens("abcd") == 1
