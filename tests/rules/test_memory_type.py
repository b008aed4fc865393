"""A new memory type is one line of a table: everything that lists types includes it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.loop_may_block

ADD = """
from recalld.domain import memory_type
goal = memory_type.MemoryType(
    "goals", "goal", quotas={"coding": 4, "chat": 5, "recall": 6}, penalty=0.07, rich=True, dated=True, prompt="aims"
)
memory_type.MEMORY_TYPES += (goal,)
memory_type.BY_NAME["goals"] = goal
"""
PLACES = {
    "the default policy": """
from recalld.rules.memory_policy import read_memory_policy
assert "goals" in read_memory_policy(None).types
""",
    "the API's policy": """
from recalld.surfaces.http.models.session import MemoryPolicy
assert MemoryPolicy(memory_types=["goals"]).memory_types == ["goals"]
""",
    "the category of an address": """
from recalld.domain.uri import Uri
from recalld.rules.context import category
assert category(Uri.parse("viking://user/ana/memories/goals/x.md")) == "goals"
""",
    "quotas and penalties of a block": """
from recalld.rules.context import ALL_CATEGORIES, PENALTIES, RECALL_QUOTAS, quotas_of
assert quotas_of(None, "coding")["goals"] == 4 and quotas_of(None, "chat")["goals"] == 5 and RECALL_QUOTAS["goals"] == 6
assert quotas_of({"goals": 1}, "") == {"goals": 1} and PENALTIES["goals"] == 0.07 and "goals" in ALL_CATEGORIES
""",
    "the tier it starts with": """
from recalld.domain.uri import Uri
from recalld.rules.context import Candidate
from recalld.rules.tier_packing import highest_tier, initial_tier
one = Candidate(Uri(("x",)), "goals", 1.0, "self")
assert (initial_tier(one, {}), highest_tier(one, {})) == ("overview", "full")
""",
    "statistics": """
from recalld.rules.memory_stats import memory_stats
assert memory_stats([], 0.0).by_category["goals"] == 0
""",
    "the API's statistics": """
from recalld.surfaces.http.models.resource import MemoriesQuery
assert MemoriesQuery(category="goals").category == "goals"
""",
    "the API's searches": """
from recalld.surfaces.http.models.search import SearchBody
assert SearchBody(quotas={"goals": 1}, detail={"goals": "full"}, other_peer_penalty={"goals": 0.0}).quotas == {"goals": 1}
from recalld.surfaces.http.search import context_options
assert context_options({"detail": "full"})["detail"]["goals"] == "full"
""",
    "what a language model is asked for": """
from recalld.prompts import asking
words = asking.load()
assert '"goals" for aims' in words.by_name["memories"]
schema = asking.memories(words, lines=()).schema
assert "goals" in schema["properties"]["memories"]["items"]["properties"]["type"]["enum"]
""",
    "a memory's file": """
from recalld.domain.session import Message
from recalld.rules.llm_output_parser import ProposedMemory
from recalld.rules.memory_file import memory
file = memory(ProposedMemory("goals", "Run", "Ana wants to run.", ("m0",)), {"m0": Message("m0", "user", (), "run", at=0.0)})
assert file.path.startswith("goals/1970/01/01/") and '"memory_type": "goal"' in file.text
""",
}


RUN = """
import json, sys, traceback
failed = {}
for place, code in json.load(sys.stdin).items():
    try:
        exec(code)
    except Exception:
        failed[place] = traceback.format_exc()
print(json.dumps(failed))
"""


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """By place, what went wrong with a new type there; the table is changed before anything else is imported."""
    done = subprocess.run(
        [sys.executable, "-c", ADD + RUN], input=json.dumps(PLACES), capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_a_new_type_is_known_in(place: str, failed: dict[str, str]) -> None:
    assert place not in failed, failed[place]
