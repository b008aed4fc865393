"""``make demo`` without a terminal: it answers everything, twice, and leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "scripts" / "demo.py"
CONVERSATION = json.loads((ROOT / "examples" / "conversation.json").read_text(encoding="utf-8"))


def _left_running() -> list[str]:
    words = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [line for line in words if f"{ROOT}/.demo" in line]


def test_the_conversation_has_several_sessions_speakers_and_languages() -> None:
    sessions = CONVERSATION["sessions"]
    messages = [message for session in sessions for message in session["messages"]]
    speakers = Counter(message.get("peer_id", message["role"]) for message in messages)
    chinese = [message for message in messages if re.search(r"[\u4e00-\u9fff]", message["content"])]
    assert len(sessions) >= 6
    assert len(messages) >= 60
    assert set(speakers) == {"user", "wen", "assistant"}
    assert 15 <= len(chinese) <= len(messages) - 30
    assert len({message["created_at"][:10] for message in messages}) == len(sessions)


@pytest.mark.slow
def test_the_demo_answers_all_its_questions_twice_and_leaves_nothing_running() -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=180, cwd=ROOT)
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        assert len(re.findall(r"ms in the server", done.stdout)) == 10
        assert "nothing was found" not in done.stdout
        assert int(re.search(r"imports (\d+) files", done.stdout)[1]) >= 300  # type: ignore[index]
        assert _left_running() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(how: signal.Signals) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-u", DEMO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "imports" in line:
            break
    os.kill(demo.pid, how)
    assert "nothing is left running" in demo.stdout.read()
    assert demo.wait(60) == 130
    assert _left_running() == []
