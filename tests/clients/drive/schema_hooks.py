"""For schemathesis: well-formed requests name things that can exist, so that they get past validation.

Requests generated to be refused stay as they are, and so do values that a link took from an earlier answer.
"""

from __future__ import annotations

import re
from zlib import crc32

import schemathesis

PLACES = (
    "viking://resources",
    "viking://resources/seed",
    "viking://resources/seed/pump.md",
    "viking://resources/seed/none.md",
    "viking://resources/seed/deep/er.md",
    "viking://resources/new.md",
    "viking://~/memories",
    "viking://~/memories/preferences/default/tea.md",
    "viking://~/skills",
    "viking://~/sessions/seed-1",
    "viking://agent/skills",
    "viking://",
)
WORDS = ("pump", "oiled each morning", "oolong", "Ünïcödé 茶", "a*b|c", "the of and")
SESSIONS = ("seed-1", "seed-2", "seed.none")
ADDRESSES = {
    "uri",
    "from_uri",
    "to_uri",
    "root_uri",
    "target_uri",
    "to",
    "parent",
    "exclude_uri",
    "resource_uri",
    "skill_uri",
}
QUESTIONS = {"query", "pattern", "q"}


def chosen(pool, value):
    """Always the same for the same value."""
    return pool[crc32(repr(value).encode()) % len(pool)]


def named(data):
    """With addresses, questions and sessions that can be."""
    if isinstance(data, list):
        return [named(one) for one in data]
    if not isinstance(data, dict):
        return data
    return {name: better(name, value) for name, value in data.items()}


def better(name, value):
    """A value for a field of that name."""
    if isinstance(value, str):
        if name in ADDRESSES and not value.startswith("viking://"):
            return chosen(PLACES, value)
        if name in QUESTIONS:
            return chosen(WORDS, value)
        if name == "session_id":
            return chosen(SESSIONS, value)
    return named(value)


@schemathesis.hook
def map_case(context, case):
    """Only what is meant to be accepted is changed. Who waits no time at all gets a 504, as the contract says."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.query = patient(named(case.query))
        if isinstance(case.body, dict):
            case.body = patient(named(case.body))
    # Asked for with auto_create a deleted session is there again, as it should be.
    if isinstance(case.query, dict) and "auto_create" in case.query:
        case.query = {**case.query, "auto_create": "false"}
    return case


def patient(data):
    """With time to wait."""
    return {**data, "timeout": 30} if isinstance(data, dict) and "timeout" in data else data


@schemathesis.hook
def filter_case(context, case):
    """0 and 1 are taken for false and true and the other way round, as the wire's own models do: no refusal is due."""
    if case.meta is None or case.meta.generation.mode.is_positive:
        return True
    value = at(case.body, place(getattr(case.meta.phase.data, "description", "") or ""))
    return not (isinstance(value, int | float) and value in (0, 1))


def place(description):
    """Parse the path of the wrong value from the two forms of a description."""
    if description.endswith(": Incorrect type"):
        return description.removesuffix(": Incorrect type").split(" -> ")
    found = re.search(r"violates `type` at (\S+)", description)
    return [name for name in found[1].split("/") if name not in ("", "properties")] if found else ["-"]


def at(data, path):
    """The value at a path of a body; None if there is none."""
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return None
        data = data[name]
    return data
