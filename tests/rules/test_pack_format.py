"""The manifest of a pack: valid ones round-trip, others are refused."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Denied, Invalid, RecalldError
from recalld.domain.pack import DenseIndex, Manifest, PackEntry, PackRoot
from recalld.domain.uri import Uri
from recalld.rules.pack_format import (
    check_exportable,
    check_names,
    check_tree,
    clean_path,
    content_hash,
    manifest_json,
    read_manifest,
    root_folder,
    target_of,
)

DOCS = Uri.parse("viking://resources/docs")
NAMES = st.text("abcé .-_:", min_size=1, max_size=6).filter(lambda n: n not in {".", ".."} and n[1:2] != ":")
ENTRIES = st.lists(
    st.builds(
        lambda name, is_dir, size: PackEntry(name, is_dir, 0 if is_dir else size, "" if is_dir else "0" * 64),
        NAMES,
        st.booleans(),
        st.integers(0, 1 << 40),
    ),
    unique_by=lambda e: e.path,
    max_size=8,
)


def manifest(uri: Uri, *entries: PackEntry) -> Manifest:
    return Manifest(PackRoot(uri.name or "openviking-backup", uri), entries, content_hash(entries), ours=True)


@given(ENTRIES, st.none() | st.builds(DenseIndex, st.just(3), st.integers(1, 512), st.text(max_size=9)))
def test_a_manifest_reads_as_it_was_written(entries: list[PackEntry], dense: DenseIndex | None) -> None:
    pack_manifest = replace(manifest(DOCS, *entries), records=3, records_sha256="f" * 64, dense=dense)
    assert read_manifest(manifest_json(pack_manifest), "docs") == pack_manifest


@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_malformed_manifests_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_manifest(data, "docs")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=4)
FIELDS = (
    ("kind",),
    ("format_version",),
    ("root",),
    ("root", "name"),
    ("root", "uri"),
    ("entries",),
    ("entries", 0),
    ("entries", 0, "kind"),
    ("entries", 0, "path"),
    ("entries", 0, "size"),
    ("entries", 0, "sha256"),
    ("content_sha256",),
    ("generator",),
    ("index",),
    ("index", "records"),
    ("index", "records", "count"),
    ("index", "dense"),
    ("index", "dense", "dimension"),
    ("scopes",),
)


@given(st.sampled_from(FIELDS), JSON | st.dictionaries(st.text(max_size=5), JSON, max_size=2), st.booleans())
def test_a_manifest_of_any_form_is_read_or_refused(at: tuple[Any, ...], value: Any, backup: bool) -> None:
    uri = Uri() if backup else DOCS
    pack = json.loads(manifest_json(replace(manifest(uri, PackEntry("a", False, 1, "0" * 64)), dense=DenseIndex(0, 2))))
    holder = pack
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = value
    try:
        found = read_manifest(json.dumps(pack).encode(), uri.name or "openviking-backup")
    except Invalid:
        return
    assert found.root.uri == uri


@given(st.text(max_size=40))
def test_a_clean_path_stays_below_its_root_and_is_written_in_one_way(path: str) -> None:
    try:
        clean_path(path)
    except Invalid:
        return
    uri = Uri.parse(f"{DOCS}/{path}")
    assert uri.under(DOCS)
    assert uri.relative_to(DOCS) == unicodedata.normalize("NFC", path)


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "./a", "../a", "a/..", "a\\b", "c:/a", "a\x00", "a?b", 3, None]
)
def test_other_paths_are_refused(path: object) -> None:
    with pytest.raises(Invalid):
        clean_path(path)


@given(ENTRIES)
def test_the_hash_over_all_does_not_depend_on_the_order(entries: list[PackEntry]) -> None:
    assert content_hash(entries) == content_hash(reversed(entries))


@given(ENTRIES.filter(bool), st.integers(0, 1))
def test_the_hash_over_all_knows_every_entry(entries: list[PackEntry], which: int) -> None:
    first, *others = entries
    changed = replace(first, path=first.path + "x") if which else replace(first, is_dir=not first.is_dir)
    assert content_hash([changed, *others]) != content_hash(entries)


def test_nothing_lies_below_a_file() -> None:
    check_tree([PackEntry("a", True), PackEntry("a/b", False)])
    with pytest.raises(Invalid):
        check_tree([PackEntry("a", False), PackEntry("a/b/c", True)])


def test_an_archive_holds_what_its_manifest_lists() -> None:
    pack = manifest(DOCS, PackEntry("a", False, 3, "0" * 64))
    good = {"docs/files/a": 3, "docs/_ovpack/manifest.json": 9}
    check_names(pack, good)
    for bad in ({}, {**good, "docs/files/a": 4}, {**good, "docs/files/b": 1}, {**good, "docs/_ovpack/more": 1}):
        with pytest.raises(Invalid):
            check_names(pack, bad)
    with pytest.raises(Invalid):
        check_names(replace(pack, records=1, dense=DenseIndex(1, 2)), {**good, "docs/_ovpack/dense.f32": 7})


def test_the_manifest_tells_which_folder_is_the_root() -> None:
    assert root_folder(["docs/files/a", "docs/_ovpack/manifest.json"]) == "docs"
    for names in ([], ["_ovpack/manifest.json"], ["a/_ovpack/manifest.json", "b/_ovpack/manifest.json"]):
        with pytest.raises(Invalid):
            root_folder(names)


@pytest.mark.parametrize(
    ("root", "parent", "target"),
    [
        ("resources/docs", "resources", "resources/docs"),
        ("resources/docs", "resources/a/b", "resources/a/b/docs"),
        ("resources", "resources", "resources"),
        ("user/ana/memories", "user/bob", "user/bob/memories"),
        ("user/ana/memories/events", "user/bob/memories", "user/bob/memories/events"),
        ("user/ana/sessions/trip", "user/bob/sessions", "user/bob/sessions/trip"),
        ("agent/skills", "agent", "agent/skills"),
    ],
)
def test_a_pack_goes_where_the_like_of_it_is(root: str, parent: str, target: str) -> None:
    pack = manifest(Uri(tuple(root.split("/"))))
    assert target_of(pack, Uri(tuple(parent.split("/")))) == Uri(tuple(target.split("/")))


@pytest.mark.parametrize(
    ("root", "parent"),
    [
        ("resources/docs", "user/ana/resources"),
        ("resources/docs", ""),
        ("user/ana/memories", "user/bob/memories"),
        ("user/ana/memories", "resources"),
        ("user/ana/memories/events", "user/bob/sessions"),
        ("agent/other", "agent"),
        ("", "resources"),
    ],
)
def test_a_pack_goes_nowhere_else(root: str, parent: str) -> None:
    pack = manifest(Uri(tuple(p for p in root.split("/") if p)))
    with pytest.raises((Invalid, Denied)):
        target_of(pack, Uri(tuple(p for p in parent.split("/") if p)))


@pytest.mark.parametrize(
    "uri", ["viking://", "viking://user", "viking://user/ana/sessions/trip/history", "viking://user/ana/privacy/skill"]
)
def test_parts_of_a_session_are_not_exported(uri: str) -> None:
    with pytest.raises(RecalldError):
        check_exportable(Uri.parse(uri))


def test_a_path_with_decomposed_accents_is_one_path() -> None:
    loose, tight = (unicodedata.normalize(form, "docs/Café.md") for form in ("NFD", "NFC"))
    assert clean_path(loose) == loose
    with pytest.raises(Invalid, match="twice"):
        check_tree([PackEntry(path, False, 1, "0" * 64) for path in (loose, tight)])
