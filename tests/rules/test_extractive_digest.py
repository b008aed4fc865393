"""A digest quotes and cites only entries that were found."""

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.uri import Uri
from recalld.rules.context import Candidate
from recalld.rules.extractive_digest import digest
from recalld.rules.recall_markup import DIGEST_HEAD, strip_recalled


def found(name: str, abstract: str, score: float = 0.4) -> Candidate:
    return Candidate(Uri(("resources", name)), "resources", score, "self", {"abstract": abstract})


def test_bullets_cite_where_their_words_come_from() -> None:
    result, status = digest(
        [found("tea", "It rained. Ana drinks oolong tea at dawn.")], "when does Ana drink oolong", 6
    )
    assert status == "ok"
    assert result == f"{DIGEST_HEAD}\n- Ana drinks oolong tea at dawn. [viking://resources/tea]"


@given(st.lists(st.text("ab tea.\n", max_size=900), max_size=8), st.integers(1, 20))
def test_bullets_are_bounded_in_number_and_length(texts: list[str], bullets: int) -> None:
    result, _ = digest([found(f"f{i}", t) for i, t in enumerate(texts)], "tea", bullets)
    rows = result.splitlines()[1:]
    assert len(rows) <= bullets
    assert all(row.startswith("- ") and len(row) <= 500 for row in rows)


def test_the_status_distinguishes_empty_from_not_relevant() -> None:
    assert digest([], "tea", 6) == ("", "empty")
    assert digest([found("x", "The harbour is closed today.")], "tea", 6) == ("", "no_relevant")


def test_a_high_score_is_included_without_a_shared_word() -> None:
    assert digest([found("x", "The harbour is closed today.", 0.8)], "port", 6)[1] == "ok"


def test_a_digest_is_not_captured_again() -> None:
    result, _ = digest([found("tea", "Ana drinks oolong tea at dawn.")], "oolong", 6)
    assert strip_recalled(f"{result}\nthanks") == "thanks"
