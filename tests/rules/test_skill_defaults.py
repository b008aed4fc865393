"""A skill without name or description is completed from its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.skill import read_skill
from recalld.rules.skill_defaults import completed
from recalld.rules.skill_form import text_of_object

BODY = "# Brew tea\n\nWarm the pot first. Then wait.\n"


def read(text: str, called: str = "") -> tuple[str, str]:
    facts, findings = read_skill(completed(text, called))
    assert facts is not None, findings
    return facts.name, facts.description


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"---\nname: tea\n---\n\n{BODY}", ("tea", "Warm the pot first. Then wait.")),
        (f"---\nname: tea\ndescription:\n---\n{BODY}", ("tea", "Warm the pot first. Then wait.")),
        (f"---\nname: tea\ndescription: ''\ntags: [a]\n---\n{BODY}", ("tea", "Warm the pot first. Then wait.")),
        (BODY, ("brew-tea", "Warm the pot first. Then wait.")),
        (BODY.replace("\n", "\r\n"), ("brew-tea", "Warm the pot first. Then wait.")),
        ("---\ntags: [a]\n---\nWarm the pot first.", ("warm-the-pot-first", "Warm the pot first.")),
        (text_of_object({"content": "Warm the pot first."}), ("warm-the-pot-first", "Warm the pot first.")),
        ("---\nname: make\n---\n\n```sh\nmake all\n```\n", ("make", "make")),
        (f"---\ndescription: Brews tea: green\n---\n{BODY}".replace(": g", " g"), ("brew-tea", "Brews tea green")),
        (text_of_object({"name": "tea", "content": "Warm the pot."}), ("tea", "Warm the pot.")),
        (text_of_object({"content": BODY}), ("brew-tea", "Warm the pot first. Then wait.")),
        ('# Thé glacé\n\nVerser: une "tasse" # d\'eau.', ("the-glace", 'Verser: une "tasse" # d\'eau.')),
    ],
)
def test_missing_fields_are_derived_from_the_text(text: str, found: tuple[str, str]) -> None:
    assert read(text) == found


def test_its_folder_names_it_before_its_heading() -> None:
    assert read(BODY, "Green Tea")[0] == "green-tea"


def test_a_name_without_latin_letters_is_made_of_its_text() -> None:
    name, description = read("# 泡茶\n\n先温壶再放茶叶然后倒水\n")
    assert (name[:6], description) == ("skill-", "先温壶再放茶叶然后倒水")
    assert read("# 泡茶\n\n先温壶再放茶叶然后倒水\n")[0] == name


def test_the_body_is_unchanged() -> None:
    assert completed(BODY).endswith(f"---\n\n{BODY}")
    assert completed(f"---\nname: tea\nlicense: MIT\n---\n{BODY}").endswith(f"name: tea\nlicense: MIT\n---\n{BODY}")


@pytest.mark.parametrize(
    "text",
    [
        f"---\nname: tea\ndescription: Brews tea\n---\n{BODY}",
        "# A heading alone",
        "a text that may be anything",
        "x",
        "",
        "---\nname: tea\n---\n",
        "---\nname: tea\ndescription: b\n",
        f"---\nname: [a\n---\n{BODY}",
        f"---\n{{name: tea}}\n---\n{BODY}",
        f"---\nname: tea\ndescription: [b]\n---\n{BODY}",
    ],
)
def test_complete_short_and_broken_skills_are_unchanged(text: str) -> None:
    assert completed(text) == text


def test_a_wrong_name_is_not_replaced() -> None:
    assert read_skill(completed(f"---\nname: two words\n---\n{BODY}"))[0] is None


@given(st.text(max_size=300), st.text(max_size=20))
def test_completing_twice_is_completing_once(text: str, called: str) -> None:
    once = completed(text, called)
    assert completed(once, called) == once
