"""Events: few, precise, quoted, and deterministic."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.rules import memory_footer
from recalld.rules.events import EVENTS_MAX, events

DAY = 86_400.0
MAY_8 = 1_683_554_160.0
FACT = "I moved to Lisbon in May 2020 with my sister Ana."


def msg(id: str, text: str, *, role: str = "user", peer: str = "", at: float = MAY_8) -> Message:
    return Message(id, role, (), text, at=at, peer_id=peer)


MESSAGES = st.lists(
    st.builds(
        msg,
        st.uuids().map(str),
        st.sampled_from(
            [FACT, "Hi!", "We decided to ship on 3 June.", "我们决定下周三发布新版本。", "Why?", "Thanks, Ana!"]
        ),
        peer=st.sampled_from(["", "ana", "bo"]),
        at=st.floats(0, 4e9),
    ),
    max_size=60,
)


@given(MESSAGES)
def test_every_event_quotes_messages_of_the_archive(messages: list[Message]) -> None:
    texts = {message.id: message.text for message in messages}
    found = events(messages)
    assert len(found) <= EVENTS_MAX
    for event in found:
        assert event.message_ids
        quotes = re.findall(r"^> (.*) — .*, \d{4}-\d\d-\d\d, (\S+)$", memory_footer.strip(event.text), re.MULTILINE)
        assert [id for _, id in quotes] == list(event.message_ids)
        assert all(words in texts[id] for words, id in quotes)


@given(MESSAGES)
def test_events_are_the_same_every_time_and_never_share_a_path(messages: list[Message]) -> None:
    found = events(messages)
    assert found == events(list(messages))
    assert len({event.path for event in found}) == len({event.key for event in found}) == len(found)


@given(MESSAGES)
def test_a_path_is_a_legal_address_by_day(messages: list[Message]) -> None:
    for event in events(messages):
        assert re.fullmatch(r"events/\d{4}/\d\d/\d\d/[^/]+\.md", event.path)
        uri = Uri(("user", "me", "memories", *event.path.split("/")))
        assert Uri.parse(str(uri)) == uri


@given(MESSAGES)
def test_an_event_belongs_to_one_peer_and_one_day(messages: list[Message]) -> None:
    by_id = {message.id: message for message in messages}
    for event in events(messages):
        quoted = [by_id[id] for id in event.message_ids]
        assert {message.peer_id for message in quoted} == {event.peer_id}
        assert event.at == quoted[0].at


def test_small_talk_makes_no_event() -> None:
    assert events([msg("1", "Hi! Good to see you!"), msg("2", "Thanks, how are you?"), msg("3", "Fine, bye!")]) == ()


def test_an_event_begins_with_its_title_and_a_summary() -> None:
    (event,) = events([msg("1", FACT)])
    lines = memory_footer.strip(event.text).splitlines()
    assert lines[0] == f"# {FACT}"
    assert lines[2] == "## Summary"
    assert FACT in lines[4]


def test_the_trailer_says_what_it_is_and_where_it_is_from() -> None:
    (event,) = events([msg("m1", FACT)])
    fields = memory_footer.read(event.text)
    assert fields["memory_type"] == "event"
    assert fields["messages"] == ["m1"]
    assert fields["event_name"] == event.name
    assert fields["version"] == 1
    assert fields["created_at"] == "2023-05-08T13:56:00Z"


def test_neighbouring_facts_of_one_day_are_one_event_and_other_days_another() -> None:
    messages = [
        msg("1", FACT),
        msg("2", "We adopted a dog called Rex on Sunday."),
        msg("3", "I joined Acme last week.", at=MAY_8 + DAY),
    ]
    assert [event.message_ids for event in events(messages)] == [("1", "2"), ("3",)]


def test_repeated_text_in_an_archive_makes_one_event() -> None:
    assert [event.message_ids for event in events([msg("1", FACT), msg("2", FACT)])] == [("1",)]


def test_an_archive_full_of_facts_gives_twenty_events_at_most() -> None:
    messages = [
        msg(str(i), f"I met Bob number {i} in Paris in 20{i % 100:02d}.", at=MAY_8 + i * DAY) for i in range(200)
    ]
    assert len(events(messages)) == EVENTS_MAX


def test_a_long_message_makes_events_of_all_its_windows_under_keys_of_their_own() -> None:
    facts = [f"I moved to town{i} in May 20{i:02} with my sister Ana." for i in range(12)]
    filler = "The weather was mild and the road was long. " * 80
    found = events([msg("m1", "\n\n".join(f"{filler}{fact}" for fact in facts))])
    text = "\n".join(event.text for event in found)
    assert [fact for fact in facts if fact not in text] == []
    assert len({event.key for event in found}) == len({event.path for event in found}) == len(found) > 1
