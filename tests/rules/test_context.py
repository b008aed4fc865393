"""Categories, origins, quotas and order of a context block."""

from collections.abc import Mapping

import pytest

from recalld.domain.errors import Invalid
from recalld.domain.uri import Uri
from recalld.rules.context import (
    CATEGORIES,
    Candidate,
    above_floor,
    category,
    choose,
    is_profile,
    order,
    origin,
    quotas_of,
    targets_of,
)


def found(name: str, kind: str = "resources", score: float = 0.5, whose: str = "self") -> Candidate:
    return Candidate(Uri(("resources", name)), kind, score, whose, {"abstract": "short"})


def test_quotas_hold_by_category() -> None:
    all_of = [found(f"e{i}", "events", 0.9) for i in range(3)] + [found("r", "resources", 0.1)]
    assert [f.category for f in choose(all_of, {"events": 1, "resources": 1}, 10)] == ["events", "resources"]


def test_below_the_floor_only_preferences_stay() -> None:
    chosen = [found("a"), found("b", "preferences", 0.1), found("c", "events", 0.1)]
    assert [one.uri.name for one in above_floor(chosen, 0.2)] == ["a", "b"]


def test_categories_come_from_the_path() -> None:
    assert category(Uri.parse("viking://user/a/memories/events/2024/x.md")) == "events"
    assert category(Uri.parse("viking://user/a/memories/cases/x.md")) == "memories"
    assert category(Uri.parse("viking://agent/skills/x/SKILL.md")) == "skills"
    assert category(Uri.parse("viking://user/a/peers/p/memories/entities/x.md")) == "entities"


def test_origins_come_from_the_path() -> None:
    theirs = Uri.parse("viking://user/a/peers/p/memories/events/x.md")
    assert (origin(theirs, "a", "p"), origin(theirs, "a", "q"), origin(theirs, "a", "")) == (
        "actor_peer",
        "other_peer",
        "other_peer",
    )
    assert origin(Uri.parse("viking://resources/x.md"), "a", "p") == "self"


def test_only_a_memory_profile_is_a_profile() -> None:
    assert is_profile(Uri.parse("viking://user/a/memories/profile.md"))
    assert is_profile(Uri.parse("viking://user/a/peers/p/memories/profile.md"))
    assert not is_profile(Uri.parse("viking://resources/docs/profile.md"))


def test_equals_lie_by_origin_category_and_address() -> None:
    mixed = [
        found("b"),
        found("a"),
        found("z", "events"),
        found("p", whose="other_peer"),
        found("q", whose="actor_peer"),
        found("top", "skills", 0.9),
    ]
    assert [f.uri.name for f in sorted(mixed, key=order)] == ["top", "q", "z", "a", "b", "p"]


def test_less_than_is_shown_moves_nothing() -> None:
    assert order(found("a", score=0.5001)) < order(found("b", score=0.5029))


@pytest.mark.parametrize("kind", ["", *CATEGORIES])
def test_no_category_lies_among_sessions_secrets_or_other_peers(kind: str) -> None:
    for place in targets_of(kind, "ana", "bot"):
        assert not {"sessions", "privacy"} & set(place.parts)
        assert place.parts[2:3] != ("peers",) or place.parts[3] == "bot"


@pytest.mark.parametrize(
    ("quotas", "purpose", "field"),
    [
        ({"dreams": 1}, "", "quotas"),
        ({"events": -1}, "", "quotas"),
        ({"events": 5_000}, "", "quotas"),
        (None, "war", "purpose"),
    ],
)
def test_unknown_quotas_and_purposes_are_refused(quotas: Mapping[str, int] | None, purpose: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        quotas_of(quotas, purpose)
    assert refused.value.details["field"] == field


def test_explicit_quotas_win_over_the_purpose() -> None:
    assert quotas_of({"events": 3}, "chat") == {"events": 3}
    assert quotas_of(None, "coding") == {
        "events": 1, "entities": 2, "preferences": 1, "experiences": 1, "resources": 3, "skills": 2,
    }  # fmt: skip
    assert quotas_of(None, "") is None
