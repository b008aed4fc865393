"""Messages in the API's JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.domain.session import MESSAGE_BYTES_MAX
from recalld.rules.openviking_json import message_from, moment, text_of, tokens, unread_times

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
        ("yesterday", NOW),
        ("2026-13-45", NOW),
        ("1683540000", 1_683_540_000.0),
        ("Mon, 08 May 2023 10:00:00 GMT", 1_683_540_000.0),
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


def test_a_message_of_one_megabyte_is_accepted_and_a_larger_one_refused() -> None:
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


@pytest.mark.parametrize(
    "created_at",
    [1_683_540_000, 1_683_540_000.0, 1_683_540_000_000, 1_683_540_000_000_000, "1683540000", "1683540000000"],
)
def test_epoch_times_are_read_in_every_unit_and_kept_as_iso(created_at: object) -> None:
    message = message_from({"role": "user", "content": "x", "created_at": created_at}, "m", NOW)
    assert (message.at, message.created_at) == (1_683_540_000.0, "2023-05-08T10:00:00.000Z")


@pytest.mark.parametrize("created_at", ["yesterday", "2026-13-45", {"at": 1}, [1], True, 12])
def test_a_time_that_cannot_be_read_is_kept_as_text_named_and_dated_by_the_server(created_at: object) -> None:
    raw = {"role": "user", "content": "x", "created_at": created_at}
    message = message_from(raw, "m", NOW)
    assert message.at == NOW
    assert unread_times([raw]) == (message.created_at,)


@pytest.mark.parametrize("created_at", [None, "", "2023-05-08", "2023-05-08T10:00:00+08:00", 1_683_540_000])
def test_times_that_are_read_are_not_named(created_at: object) -> None:
    assert unread_times([{"role": "user", "content": "x", "created_at": created_at}]) == ()


def test_lone_surrogates_become_replacement_characters_anywhere_in_a_message() -> None:
    part = {"type": "tool", "tool_name": "t", "tool_input": {"q\udcff": ["a\ud83d"]}, "tool_output": "b\ude00"}
    message = message_from({"role": "user", "parts": [part]}, "m", NOW)
    assert message.text == '[tool t] {"q\ufffd": ["a\ufffd"]}\nb\ufffd'
    assert message.parts[0]["tool_input"] == {"q\ufffd": ["a\ufffd"]}


DATA = "iVBORw0KGgo" + "QUJD" * 10_000
BLOCKS = {
    "anthropic image": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    "openai image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
    "responses image": {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"},
    "mcp image": {"type": "image", "data": DATA, "mimeType": "image/png"},
    "audio": {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
    "video": {"type": "video", "source": {"type": "base64", "data": DATA}},
    "file": {"type": "file", "file": {"filename": "report.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}},
    "document": {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}},
    "tool result": {"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": DATA}}]},
    "unknown": {"type": "thing", "payload": DATA + "0" * 5_000},
    "data url in text": {"type": "text", "text": f"![chart](data:image/png;base64,{DATA})"},
    "tool output": {"type": "tool", "tool_name": "shot", "tool_output": f'{{"png": "{DATA}1"}}'},
}


@pytest.mark.parametrize("name", BLOCKS)
def test_encoded_bytes_are_neither_text_nor_tokens(name: str) -> None:
    message = message_from({"role": "user", "content": [BLOCKS[name], {"type": "text", "text": "tidal"}]}, "m", NOW)
    assert message.tokens < 60
    assert "QUJDQUJD" not in message.text
    assert message.text.endswith("tidal")


def test_media_blocks_are_kept_as_they_came_and_say_what_they_are() -> None:
    raw = {"role": "user", "content": [BLOCKS["file"], BLOCKS["anthropic image"]]}
    message = message_from(raw, "m", NOW)
    assert message.text == "[file: report.pdf]\n[image]"
    assert list(message.parts) == raw["content"]


def test_a_document_block_of_plain_text_is_that_text() -> None:
    block = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "The tide is high."}}
    assert message_from({"role": "user", "content": [block]}, "m", NOW).text == "The tide is high."


@pytest.mark.parametrize("text", ["a" * 2_000, "word " * 2_000, "/usr/share/doc/" * 100, "ABC" * 500, "deadbeef" * 100])
def test_long_runs_that_are_not_encoded_bytes_stay(text: str) -> None:
    assert text_of(({"type": "text", "text": text},)) == text
