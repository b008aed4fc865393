"""``recalld eval``: requests, report, the last run, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.cli.test_commands import HITS, Ran, run, wire
from tests.surfaces.recording_server import Wire

__all__ = ["run", "wire"]

Run = Callable[..., Ran]
SUITE = """
cases:
  - {id: a, question: about <a>, expect: [docs/a.md], tags: [t]}
  - {id: b, question: about b, expect: [docs/b.md]}
"""


@pytest.fixture
def suite(tmp_path: Path, wire: Wire) -> Path:
    wire.ok("POST /api/v1/search/find", HITS)
    path = tmp_path / "questions.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def evaluate(run: Run, suite: Path, *options: str) -> Ran:
    return run("eval", str(suite), "--below", "viking://resources", *options)


def test_each_question_is_asked_below_the_address(wire: Wire, run: Run, suite: Path) -> None:
    ran = evaluate(run, suite, "--json", "-n", "5")
    assert wire.last.body == {
        "query": "about b",
        "target_uri": "viking://resources",
        "limit": 5,
        "score_threshold": 0.0,
    }
    result = ran.json["result"]
    assert (result["metrics"]["hit@1"][0], result["questions"], ran.code) == (0.5, 2, 0)
    assert [case["rank"] for case in result["cases"]] == [1, 0]


def test_the_last_run_is_compared(run: Run, suite: Path) -> None:
    evaluate(run, suite)
    last_run = suite.parent / ".recalld-eval" / "questions.json"
    former = json.loads(last_run.read_text(encoding="utf-8"))
    former["cases"][1]["rank"] = 2
    last_run.write_text(json.dumps(former), encoding="utf-8")
    assert "b: rank 2 → not found" in evaluate(run, suite, "--no-save").out
    assert json.loads(last_run.read_text(encoding="utf-8")) == former


def test_a_missed_floor_ends_with_one(run: Run, suite: Path) -> None:
    ran = evaluate(run, suite, "--floor", "hit@1=0.6")
    assert (ran.code, "hit@1 is 0.500, its floor 0.6" in ran.err) == (1, True)
    assert evaluate(run, suite, "--floor", "hit@1=0.5").code == 0


def test_a_report_escapes_every_text(run: Run, suite: Path, tmp_path: Path) -> None:
    evaluate(run, suite, "--html", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "about &lt;a&gt;" in page
    assert "<a>" not in page
    assert page.count("<svg") == 2


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("missing.yaml",), 3, "does not exist"),
        (("{suite}", "--tag", "u", "--below", "viking://a"), 2, "no case has the tag u"),
        (("{suite}", "--against", "none.json", "--below", "viking://a"), 3, "none.json does not exist"),
        (("{suite}",), 2, "name the address that it lies below"),
    ],
)
def test_wrong_input_is_refused_in_words(
    run: Run, suite: Path, words: tuple[Any, ...], code: int, sentence: str
) -> None:
    ran = run("eval", *(word.format(suite=suite) for word in words))
    assert (ran.code, sentence in ran.err) == (code, True)
