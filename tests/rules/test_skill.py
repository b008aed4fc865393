"""SKILL.md: parsed completely, validated with messages, built from plain values only."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.domain.node import Kind, Node
from recalld.domain.skill import SkillFacts
from recalld.domain.uri import Uri
from recalld.rules.skill import DESCRIPTION_CHARS_ADVISED, DESCRIPTION_CHARS_MAX, checked_skill, read_skill, skill_name
from recalld.rules.skill_form import abstract_of, facts_from, facts_json, kind_of, revision_of, text_of_object

GOOD = """---
name: pdf-forms
description: >
  Fills in PDF forms.
  Use when someone hands you a form.
tags: [pdf, office]
allowed-tools: Bash(git add:*, git commit:*), Read Write
license: MIT
---

# Forms

Open the file.
"""


def codes(text: str) -> list[str]:
    return [f.code for f in read_skill(text)[1]]


def front(*lines: str) -> str:
    return "\n".join(["---", *lines, "---", "", "Do it.", ""])


def test_a_valid_skill_has_no_findings() -> None:
    facts, findings = read_skill(GOOD)
    assert findings == ()
    assert facts == SkillFacts(
        "pdf-forms",
        "Fills in PDF forms. Use when someone hands you a form.",
        ("pdf", "office"),
        ("Bash(git add:*, git commit:*)", "Read", "Write"),
    )


def test_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    assert read_skill("\ufeff" + GOOD.replace("\n", "\r\n"))[0] == read_skill(GOOD)[0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("# No front matter\n", "no_front_matter"),
        ("---\nname: a\ndescription: b\n", "open_front_matter"),
        (front("name: a"), "missing"),
        (front("description: b"), "missing"),
        (front("name: ''", "description: b"), "missing"),
        (front("name: two words", "description: b"), "name"),
        (front("name: naïve", "description: b"), "name"),
        (front("name: ../a", "description: b"), "name"),
        (front(f"name: {'a' * 65}", "description: b"), "name"),
        (front("name: a", "description: [b]"), "missing"),
        (front("name: a", f"description: {'b' * (DESCRIPTION_CHARS_MAX + 1)}"), "long"),
        (front("name: a", "description: b", "tags: {x: y}"), "type"),
        (front("name: a", "description: b", "allowed-tools: [[x]]"), "type"),
        (front("name: a", "description: b", f"tags: [{', '.join(f't{i}' for i in range(101))}]"), "long"),
        (front("- name"), "yaml"),
        (front("name: [a"), "yaml"),
        (front("name: &a a", "description: *a"), "yaml"),
        (front("name: a", "description: b", f"x: {'[' * 50}{']' * 50}"), "yaml"),
        ("---\n" + "[" * 15_000 + "\n---\n", "yaml"),
    ],
)
def test_errors_are_reported_and_make_a_skill_unusable(text: str, code: str) -> None:
    facts, findings = read_skill(text)
    assert facts is None
    assert code in [f.code for f in findings if f.error]
    with pytest.raises(Invalid) as refused:
        checked_skill(text)
    assert refused.value.code == "SKILL_INVALID"
    assert refused.value.details["findings"]


def test_a_colon_in_an_unquoted_description_is_reported_with_line_and_remedy() -> None:
    _, (finding,) = read_skill(front("name: a", "description: Use when: the form is blank"))
    assert "line 3" in finding.message
    assert "quotes" in finding.message


def test_nothing_is_built_of_a_tag_that_names_an_object() -> None:
    facts, _ = read_skill(front("name: !!python/object/apply:os.getcwd []", "description: b"))
    assert facts is None


def test_numbers_and_yes_stay_the_words_they_are() -> None:
    facts, _ = read_skill(front("name: 007", "description: yes"))
    assert facts == SkillFacts("007", "yes")


def test_advice_does_not_make_it_unusable() -> None:
    text = front("name: a", f"description: {'b' * (DESCRIPTION_CHARS_ADVISED + 1)}", "colour: red")
    assert codes(text.replace("Do it.", "")) == ["long", "unknown", "empty"]
    assert read_skill(text)[0] is not None


@given(st.text(max_size=400))
def test_any_text_is_usable_or_has_an_error(text: str) -> None:
    for whole in (text, f"---\n{text}\n---\n"):
        facts, findings = read_skill(whole)
        assert (facts is None) == any(f.error for f in findings)


def test_an_object_becomes_a_skill_file_that_says_the_same() -> None:
    text = text_of_object(
        {
            "name": "weather",
            "description": "Tells: the weather",
            "tags": ["a"],
            "allowed_tools": ["Read"],
            "content": "# Ask\n\nAsk it.",
            "inputSchema": {"type": "object"},
        }
    )
    assert read_skill(text)[0] == SkillFacts("weather", "Tells: the weather", ("a",), ("Read",))
    assert "# Ask" in text
    assert '"inputSchema"' in text


def test_the_abstract_is_yaml_that_programs_parse() -> None:
    facts = SkillFacts("a", "b: c\u00e9", ("t",), ("Read",))
    assert yaml.safe_load(abstract_of(facts)) == {
        "name": "a",
        "description": "b: c\u00e9",
        "tags": ["t"],
        "allowed_tools": ["Read"],
    }
    assert facts_from(facts_json(facts)) == facts
    assert facts_from({"name": 1}) is None
    assert facts_from(None) is None


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b", "a.b", "ä", "a" * 65])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        skill_name(name)


SKILL = Uri.parse("viking://user/ana/skills/a")


@pytest.mark.parametrize(
    ("path", "media", "kind"),
    [
        ("SKILL.md", "text/markdown", "skill"),
        ("scripts/run", "text/plain", "script"),
        ("references/x.png", "image/png", "reference"),
        ("assets/x.md", "text/markdown", "asset"),
        ("tool.py", "text/x-python", "script"),
        ("notes.md", "text/markdown", "reference"),
        ("logo.png", "image/png", "asset"),
        ("sub/SKILL.md", "text/markdown", "reference"),
    ],
)
def test_a_file_is_what_its_place_or_its_type_says(path: str, media: str, kind: str) -> None:
    assert kind_of(SKILL, Node(1, SKILL / path, Kind.FILE, media=media)) == kind


def test_a_revision_names_files_and_bytes_in_any_order() -> None:
    one = Node(1, SKILL / "SKILL.md", Kind.FILE, hash="1")
    two = Node(2, SKILL / "b.md", Kind.FILE, hash="2")
    changed = Node(2, SKILL / "b.md", Kind.FILE, hash="3")
    assert revision_of(SKILL, [one, two]) == revision_of(SKILL, [two, one])
    assert len({revision_of(SKILL, files) for files in ([one], [one, two], [one, changed])}) == 3
