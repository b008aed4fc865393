"""Tags: only key=value, one value per key."""

from recalld.rules.tags import merged, tags_of


def test_invalid_tags_are_left_out_and_a_later_value_wins() -> None:
    assert tags_of(["Team=Core", "nonsense", "", "a=1", "team=Web", "=x"]) == ("a=1", "team=web")


def test_appending_replaces_by_key_and_keeps_the_others() -> None:
    assert merged(("a=1", "b=2"), ("a=3",), append=True) == ("b=2", "a=3")
    assert merged(("a=1", "b=2"), ("c=3",), append=False) == ("c=3",)
