"""Progress of vectors during a wait, and after it."""

from __future__ import annotations

from typing import Any

import pytest

from recalld.domain.errors import Upstream
from recalld.surfaces.cli import progress, wait
from recalld.surfaces.cli.options import Call
from recalld.surfaces.cli.render import vectors_words
from recalld.surfaces.cli.task import show_import


class Slow:
    """A server that has one more vector each time it is asked."""

    def __init__(self, wanted: int) -> None:
        self.embedded, self.wanted = 0, wanted

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        if self.embedded == self.wanted:
            return {}
        raise Upstream("not done in time", code="DEADLINE_EXCEEDED")

    def vectors(self) -> dict[str, Any]:
        self.embedded += 1
        return {"made": self.embedded, "wanted": self.wanted, "refused": {}}


def test_a_terminal_sees_vectors_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, Any] | None] = []

    class Bar:
        def __enter__(self) -> Any:
            return shown.append

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(wait, "watched", lambda _: True)
    monkeypatch.setattr(progress, "vector_bar", Bar)
    call = Call(False, "", "", "", Slow(3))  # type: ignore[arg-type]
    wait.watch_vectors(call)
    assert [vectors["made"] for vectors in shown if vectors] == [1, 2, 3]


def test_the_bar_shows_how_many_of_how_many(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress.vector_bar() as seen:
        seen(None)
        seen({"made": 32, "wanted": 2_028, "refused": {}})
    assert "32 of 2,028" in capsys.readouterr().err


def test_refused_texts_are_named_with_their_reason() -> None:
    assert vectors_words({"made": 7, "wanted": 7, "refused": {}}) == "7 of 7"
    line = vectors_words({"made": 2_020, "wanted": 2_028, "refused": {"content_filter": 6, "invalid_request": 2}})
    assert line == "2,020 of 2,028, 8 texts refused by the provider (content_filter, invalid_request)"


@pytest.mark.parametrize(("made_count", "shown"), [(4, True), (5, False)])
def test_an_import_tells_which_vectors_lack(capsys: pytest.CaptureFixture[str], made_count: int, shown: bool) -> None:
    show_import(
        {"root_uri": "viking://a", "vectors": {"made": made_count, "wanted": 5, "refused": {}}}, (), verbose=False
    )
    assert ("vectors: 4 of 5" in capsys.readouterr().out) is shown
