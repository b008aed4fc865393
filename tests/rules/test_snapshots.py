from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Denied, Invalid
from recalld.domain.snapshot import Author, Files, Snapshot, Version
from recalld.rules.snapshots import changes, check_branch, merged, oid_of, path_of, place, tracked, tree_oid, within

ONE = Snapshot("", "main", 7, 1.5, "", "why", Author("Ana", "a@x"), "t", ("resources",), "*.tmp")
trees = st.dictionaries(
    st.sampled_from(["r/a", "r/b", "r/c/d", "u/e"]), st.builds(Version, st.just(1), st.sampled_from("12")), max_size=4
)


def test_every_part_of_a_snapshot_is_in_its_oid() -> None:
    others = {
        "branch": "side", "seq": 8, "at": 2.5, "parent": "p", "message": "w", "author": Author("Ben", "a@x"),
        "tree": "u", "paths": (), "ignore": "",
    }  # fmt: skip
    assert set(others) == {f.name for f in fields(Snapshot)} - {"oid"}
    oids = [
        oid_of("acme", ONE),
        oid_of("other", ONE),
        *(oid_of("acme", replace(ONE, **{k: v})) for k, v in others.items()),
    ]
    assert len(set(oids)) == len(oids)
    assert all(len(oid) == 40 for oid in oids)


@given(trees, trees)
def test_trees_of_one_name_hold_the_same(one: Files, other: Files) -> None:
    assert (tree_oid(one) == tree_oid(other)) == (not changes(one, other))


@given(trees, trees)
def test_changes_make_the_one_of_the_other(before: Files, after: Files) -> None:
    patched = dict(before)
    for change in changes(before, after):
        assert patched.get(change.path) == change.before
        if change.after is None:
            del patched[change.path]
        else:
            patched[change.path] = change.after
    assert {p: v.hash for p, v in patched.items()} == {p: v.hash for p, v in after.items()}


@given(trees, trees)
def test_a_snapshot_of_paths_takes_only_these(before: Files, state: Files) -> None:
    got = merged(before, state, replace(ONE, paths=("r/c", "u"), ignore=""))
    assert {p: v for p, v in got.items() if within(p, ("r/c", "u"))} == {
        p: v for p, v in state.items() if p in {"r/c/d", "u/e"}
    }
    assert {p: v for p, v in got.items() if p in {"r/a", "r/b"}} == {
        p: v for p, v in before.items() if p in {"r/a", "r/b"}
    }


def test_a_name_that_only_begins_alike_is_not_within() -> None:
    assert not within("resources/ab", ("resources/a",))
    assert within("resources/a", ("resources/a",))
    assert within("anything", ())


def test_visibility_by_role() -> None:
    ana, root = Caller("acme", "ana"), Caller("acme", "ana", Role.ROOT)
    assert tracked(("user", "ana", "memories", "a.md"), ana)
    assert not tracked(("user", "ben", "memories", "a.md"), ana)
    assert tracked(("user", "ben", "memories", "a.md"), root)
    assert not tracked(("user", "ana", "sessions", "s", "x.md"), root)
    assert not tracked(("user", "ana", "privacy", "skill", "x"), root)


def test_places_are_addresses_or_paths_and_the_callers_own() -> None:
    ana = Caller("acme", "ana")
    for text in ("viking://resources/a.md", "resources/a.md", "/resources/a.md"):
        assert path_of(place(text, ana, 0.0)) == "resources/a.md"
    assert path_of(place("~/memories/a.md", ana, 0.0)) == "user/ana/memories/a.md"
    with pytest.raises(Denied):
        place("viking://user/ben/memories/a.md", ana, 0.0)
    for text in ("", "nowhere/a.md"):
        with pytest.raises(Invalid):
            place(text, ana, 0.0)
    with pytest.raises(Denied):
        place("resources/../x", ana, 0.0)


@pytest.mark.parametrize("name", ["", "../x", "a//b", "a b", "-x", "x" * 200, "a/"])
def test_a_branch_has_a_name(name: str) -> None:
    assert check_branch("feature/x.1") == "feature/x.1"
    with pytest.raises(Invalid):
        check_branch(name)
