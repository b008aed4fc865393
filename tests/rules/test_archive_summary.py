"""An archive's tiers name dates, speakers and topics, in quotations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.domain.session import Message
from recalld.rules.archive_summary import SECTIONS, abstract_of_archive, overview_of_archive

DAY = 86_400.0
MAY_8 = 1_683_554_160.0


def msg(id: str, text: str, *, role: str = "user", at: float = MAY_8) -> Message:
    return Message(id, role, (), text, at=at)


MESSAGES = st.lists(
    st.builds(
        msg,
        st.text("m123", min_size=1, max_size=5),
        st.text(max_size=300),
        role=st.sampled_from(["user", "assistant"]),
    ),
    max_size=30,
)
TALK = [
    msg("m1", "I want to plan the launch of Falcon on 3 June."),
    msg("m2", "The config lives in deploy/prod.yaml, we agreed on that.", role="assistant"),
    msg("m3", "Actually the build failed with an error yesterday.", at=MAY_8 + DAY),
    msg("m4", "We still need to book the room for Tuesday.", at=MAY_8 + DAY),
]


@given(MESSAGES)
def test_tiers_keep_their_sizes_and_sections(messages: list[Message]) -> None:
    assert 0 < len(abstract_of_archive(messages)) <= ABSTRACT_CHARS_MAX
    overview = overview_of_archive(messages)
    assert len(overview) <= OVERVIEW_CHARS_MAX
    assert [line[3:] for line in overview.splitlines() if line.startswith("## ") and line[3:] in SECTIONS] == list(
        SECTIONS
    )


def test_the_abstract_names_dates_and_speakers() -> None:
    assert abstract_of_archive(TALK).startswith("2023-05-08 to 2023-05-09, user, assistant, 4 messages: ")


def test_each_kind_of_statement_stands_in_its_section() -> None:
    sections = dict(part.split("\n", 1) for part in overview_of_archive(TALK).removeprefix("## ").split("\n\n## "))
    assert "m1" in sections["Task & Goals"]
    assert "deploy/prod.yaml" in sections["Files & Context"]
    assert "build failed" in sections["Errors & Corrections"]
    assert "book the room" in sections["Open Issues"] + sections["Key Facts & Decisions"]


def test_every_line_but_the_title_is_a_quotation() -> None:
    lines = [line for line in overview_of_archive(TALK).splitlines() if line and not line.startswith("## ")]
    assert all(line.startswith("> ") or line == "None." for line in lines[1:])
