"""Terminal output."""

from __future__ import annotations

from recalld.surfaces.cli.render import style


def test_no_control_character_of_a_text_reaches_the_terminal() -> None:
    shown = style("a\x1b]0;title\x07b\x9b2Jc\rd\x7f")
    assert shown == "a\u241b]0;title\u2407b\ufffd2Jc\u240dd\u2421"
    assert style("one\ttwo\n") == "one\ttwo\n"
