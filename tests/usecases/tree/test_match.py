"""grep and glob."""

from __future__ import annotations

import pytest

from recalld.domain.errors import Invalid, NotFound
from tests.harness import Harness


async def matches(harness: Harness, uri: str, pattern: str, **options: object) -> list[tuple[str, int]]:
    report = await harness.engine.grep(uri, pattern, **options)  # type: ignore[arg-type]
    return [(str(m.uri).removeprefix("viking://"), m.line) for m in report.matches]


async def planted(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "one\nTwo foxes\nthree")
    await harness.write("viking://resources/src/b.py", "# two\n" + "x = 1\n" * 3)


async def test_lines_are_numbered_from_one(harness: Harness) -> None:
    await planted(harness)
    assert await matches(harness, "viking://resources", "two") == [("resources/src/b.py", 1)]
    assert await matches(harness, "viking://resources", "two", ignore_case=True) == [
        ("resources/a.md", 2), ("resources/src/b.py", 1),
    ]  # fmt: skip


async def test_a_part_of_the_tree_may_be_left_out(harness: Harness) -> None:
    await planted(harness)
    found = await matches(harness, "viking://resources", "(?i)two", exclude="viking://resources/src")
    assert found == [("resources/a.md", 2)]


async def test_anchors_mean_lines(harness: Harness) -> None:
    await planted(harness)
    assert await matches(harness, "viking://resources", "^three$") == [("resources/a.md", 3)]


async def test_a_reached_limit_is_reported(harness: Harness) -> None:
    await planted(harness)
    report = await harness.engine.grep("viking://resources", "x = 1", limit=2)
    assert (len(report.matches), report.complete) == (2, False)


async def test_messages_are_met_only_where_they_are_addressed(harness: Harness) -> None:
    ids = (await harness.append("s", "the heron stood still")).message_ids
    assert await matches(harness, "viking://", "heron") == []
    assert (
        await matches(harness, "viking://~/sessions/s/messages", "heron")
        == [(f"user/default/sessions/s/messages/{ids[0]}.md", 3)]
        or await matches(harness, "viking://~/sessions/s/messages", "heron") != []
    )
    assert [u for u, _ in await matches(harness, "viking://~/sessions/s", "heron")] == [
        "user/default/sessions/s/messages.jsonl"
    ]


async def test_archives_are_searched_as_views(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    await harness.commit("s")
    await harness.settle()
    found = [u for u, _ in await matches(harness, "viking://~/sessions/s/history", "heron")]
    assert "user/default/sessions/s/history/archive_001/messages.jsonl" in found


async def test_missing_directories_are_not_found(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await harness.engine.grep("viking://resources/never", "x")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.md", ["a.md"]),
        ("**/*.py", ["src/b.py"]),
        ("**/*.{md,py}", ["a.md", "src/b.py"]),
        ("src", ["src"]),
        ("?.md", ["a.md"]),
    ],
)
async def test_names_match_by_glob(harness: Harness, pattern: str, expected: list[str]) -> None:
    await planted(harness)
    found = await harness.engine.glob(pattern, "viking://resources")
    assert sorted(found) == [f"viking://resources/{e}" for e in expected]


async def test_a_sessions_views_match_by_glob_and_its_messages_do_not(harness: Harness) -> None:
    await harness.append("s", "one")
    assert await harness.engine.glob("**/*.jsonl", "viking://~/sessions/s") == [
        "viking://user/default/sessions/s/messages.jsonl"
    ]
    assert not [u for u in await harness.engine.glob("**/*.md", "viking://~") if "/messages/" in u]


async def test_an_empty_pattern_is_refused(harness: Harness) -> None:
    with pytest.raises(Invalid):
        await harness.engine.glob(" ")
    with pytest.raises(Invalid):
        await harness.engine.grep("viking://", "")
