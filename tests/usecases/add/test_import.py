"""Imports: their contents, layout and repetition."""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path

import pytest

from recalld.domain.errors import Conflict, Invalid
from recalld.domain.job import TaskStatus
from tests.harness import Harness, plant, words

ROOT = "viking://resources/src"
FILES = {
    "readme.md": "# Read me\n\nThe heron stands still.\n",
    "lib/tools.py": '"""Tools."""\n\n\ndef sharpen(blade):\n    """Make a blade sharp."""\n',
    "page.html": "<html><head><title>Storks</title><script>var hidden = 1;</script></head><body><p>Storks fly.</p></body>",
    "data.json": '{"bird": "crane"}',
}


def long_document(*names: str) -> str:
    """A heading for each name, each with enough text for a section of its own."""
    return "# Handbook\n\n" + "\n".join(f"## {n}\n\n{n} says {words(1_400)}.\n" for n in names)


async def paths(harness: Harness, uri: str = ROOT) -> set[str]:
    return {e.rel_path for e in await harness.engine.tree(uri, depth=20) if not e.node.is_dir}


async def test_a_folder_comes_in_as_it_lies(harness: Harness, tmp_path: Path) -> None:
    task = await harness.add(plant(tmp_path / "src", FILES))
    assert (task.status, await paths(harness)) == (TaskStatus.COMPLETED, set(FILES))
    assert (task.result or {})["context_count"] == len(FILES)
    for word, path in (
        ("heron", "readme.md"),
        ("sharpen", "lib/tools.py"),
        ("storks", "page.html"),
        ("crane", "data.json"),
    ):
        assert (await harness.found(word, target_uri=ROOT))[0] == f"{ROOT}/{path}"


async def test_html_is_found_by_its_words_and_read_as_it_is(harness: Harness, tmp_path: Path) -> None:
    await harness.add(plant(tmp_path / "src", FILES))
    assert await harness.found("hidden") == []
    assert "<script>" in await harness.engine.read(f"{ROOT}/page.html")
    assert "Storks" in (await harness.engine.stat(f"{ROOT}/page.html")).abstract


async def test_a_zip_is_a_tree(harness: Harness, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "src.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    await harness.add(tmp_path / "src.zip")
    assert await paths(harness) == set(FILES)


async def test_a_single_file_gets_a_directory_of_its_name(harness: Harness, tmp_path: Path) -> None:
    await harness.add(plant(tmp_path, {"src.md": "# Src\n\nheron\n"}) / "src.md")
    assert await paths(harness) == {"src.md"}


async def test_a_long_document_becomes_a_directory_of_sections(harness: Harness, tmp_path: Path) -> None:
    text = long_document("Alpha", "Beta", "Gamma")
    await harness.add(plant(tmp_path / "src", {"guide.md": text}))
    parts = await harness.texts_below(f"{ROOT}/guide")
    assert len(parts) >= 3
    assert "".join(parts[name] for name in sorted(parts)) == text
    node = (await harness.engine.ls(f"{ROOT}/guide"))[1]
    assert node.source["path"] == "guide.md"
    assert (node.source["part"], node.source["parts"]) == (2, len(parts))


async def test_a_document_stays_whole_when_that_is_wished(harness: Harness, tmp_path: Path) -> None:
    await harness.add(plant(tmp_path / "src", {"guide.md": long_document("Alpha", "Beta")}), split=False)
    assert await paths(harness) == {"guide.md"}


async def test_the_same_tree_again_writes_nothing(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {**FILES, "guide.md": long_document("Alpha", "Beta")})
    await harness.add(folder, origin="here")
    before, nodes = await harness.seq(), (await harness.engine.usage()).nodes
    task = await harness.add(folder, origin="here")
    assert (await harness.seq(), (await harness.engine.usage()).nodes) == (before, nodes)
    result = task.result or {}
    assert (result["context_count"], result["unchanged"]) == (0, len(FILES) + 1)


async def test_a_changed_file_is_done_again_and_nothing_beside_it(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await harness.add(folder, origin="here")
    versions = {p: (await harness.engine.stat(f"{ROOT}/{p}")).version for p in FILES}
    plant(folder, {"readme.md": "# Read me\n\nThe ibis wades.\n"})
    task = await harness.add(folder, origin="here")
    assert (task.result or {})["context_count"] == 1
    assert (await harness.found("ibis"), await harness.found("heron")) == ([f"{ROOT}/readme.md"], [])
    assert {p: (await harness.engine.stat(f"{ROOT}/{p}")).version for p in FILES} == {**versions, "readme.md": 2}


async def test_sections_that_a_change_takes_away_are_gone(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"guide.md": long_document("Alpha", "Beta", "Gamma")})
    await harness.add(folder, origin="here")
    plant(folder, {"guide.md": long_document("Alpha", "Beta")})
    await harness.add(folder, origin="here")
    parts = await harness.texts_below(f"{ROOT}/guide")
    assert "".join(parts[name] for name in sorted(parts)) == long_document("Alpha", "Beta")
    assert not any("Gamma" in text for text in parts.values())


async def test_a_document_grown_short_leaves_no_empty_directory(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"guide.md": long_document("Alpha", "Beta", "Gamma"), "README": "x"})
    await harness.add(folder, origin="here")
    plant(folder, {"guide.md": "# Short\n"})
    await harness.add(folder, origin="here")
    assert [n.uri.name for n in await harness.engine.ls(ROOT)] == ["README", "guide.md"]


async def test_files_beside_the_sections_stay(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"guide.md": long_document("Alpha", "Beta", "Gamma")})
    await harness.add(folder, origin="here")
    await harness.write(f"{ROOT}/guide/mine.md", "my own remark")
    plant(folder, {"guide.md": "# Short\n"})
    await harness.add(folder, origin="here")
    assert await paths(harness) == {"guide.md", "guide/mine.md"}


async def test_a_name_without_ending_may_be_file_then_directory_then_file(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "src"
    for text in ("short", long_document("Alpha", "Beta", "Gamma"), "short again"):
        plant(folder, {"NOTES": text})
        task = await harness.add(folder, origin="here")
        assert task.status is TaskStatus.COMPLETED, task.error
        parts = await harness.texts_below(ROOT)
        assert "".join(parts[name] for name in sorted(parts)) == text


async def test_two_documents_of_one_stem_do_not_mix(harness: Harness, tmp_path: Path) -> None:
    one, two = long_document("Alpha", "Beta", "Gamma"), long_document("Delta", "Epsilon", "Zeta")
    await harness.add(plant(tmp_path / "src", {"guide.md": one, "guide.txt": two, "guide/part.md": "third"}))
    texts = await harness.texts_below(ROOT)
    joined = {
        d: "".join(texts[p] for p in sorted(texts) if p.startswith(f"{d}/")) for d in ("guide_md", "guide_txt", "guide")
    }
    assert joined == {"guide_md": one, "guide_txt": two, "guide": "third"}


async def test_another_source_of_the_same_name_gets_a_place_of_its_own(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    added = [str((await harness.engine.add(folder, origin=o)).root_uri) for o in ("here", "there", "here", "")]
    assert added == [ROOT, f"{ROOT}_1", ROOT, f"{ROOT}_2"]


async def test_a_place_may_be_named(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    task = await harness.add(folder, to="viking://resources/birds/cranes")
    assert task.resource_id == "viking://resources/birds/cranes"
    assert await paths(harness, "viking://resources/birds/cranes") == set(FILES)
    below = await harness.engine.add(folder, parent="viking://~/resources/mine", create_parent=True)
    assert str(below.root_uri) == "viking://user/default/resources/mine/src"


async def test_a_place_outside_resources_is_refused(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    for place in ("viking://~/memories/x", "viking://agent/skills", "viking://user/default"):
        with pytest.raises(Invalid):
            await harness.engine.add(folder, to=place)
    await harness.write("viking://resources/a.md", "x")
    with pytest.raises(Conflict):
        await harness.engine.add(folder, to="viking://resources/a.md")
    with pytest.raises(Invalid):
        await harness.engine.add(folder, to=ROOT, parent=ROOT)


async def test_files_other_than_documents_are_skipped_and_reported(harness: Harness, tmp_path: Path) -> None:
    files = {"a.md": "heron", "b.so": b"\x7fELF\x00", ".gitignore": "secret*\n", "secret.md": "x", ".git/config": "x"}
    task = await harness.add(plant(tmp_path / "src", files))
    assert await paths(harness) == {"a.md"} or await paths(harness) == {"a.md", ".gitignore"}
    warnings = " ".join((task.result or {})["warnings"])
    for left_out in ("b.so", "secret.md", ".git/"):
        assert left_out in warnings


async def test_strict_refuses_the_whole_for_one_left_out(harness: Harness, tmp_path: Path) -> None:
    before = await harness.state()
    with pytest.raises(Invalid, match=r"b\.so"):
        await harness.engine.add(plant(tmp_path / "src", {"a.md": "x", "b.so": b"\x7fELF\x00"}), strict=True)
    assert await harness.state() == before


async def test_nothing_to_import_is_refused(harness: Harness, tmp_path: Path) -> None:
    before = await harness.state()
    with pytest.raises(Invalid, match="nothing to import"):
        await harness.engine.add(plant(tmp_path / "src", {"b.so": b"\x7fELF\x00"}))
    assert await harness.state() == before


async def test_patterns_choose(harness: Harness, tmp_path: Path) -> None:
    await harness.add(plant(tmp_path / "src", FILES), include=["*.md", "*.py"], exclude=["lib/"])
    assert await paths(harness) == {"readme.md"}


async def test_a_pdf_is_stored_whole_found_by_name_and_says_that_it_is_unread(harness: Harness, tmp_path: Path) -> None:
    data = b"%PDF-1.7\n" + bytes(range(256)) * 20
    await harness.add(plant(tmp_path / "src", {"heron-report.pdf": data}))
    uri = f"{ROOT}/heron-report.pdf"
    assert await harness.engine.read_bytes(uri) == data
    assert await harness.found("heron report") == [uri]
    assert "PDF" in (await harness.engine.stat(uri)).abstract
    assert "not" in (await harness.engine.stat(uri)).abstract


async def test_tags_are_on_every_file(harness: Harness, tmp_path: Path) -> None:
    await harness.add(plant(tmp_path / "src", FILES), tags=["kind=birds"])
    assert await harness.found("heron", tags=["kind=birds"]) == [f"{ROOT}/readme.md"]
    assert await harness.found("heron", tags=["kind=fish"]) == []


async def test_files_too_deep_for_an_address_are_skipped_and_reported(harness: Harness, tmp_path: Path) -> None:
    deep = "/".join("d" * 70) + "/x.md"
    task = await harness.add(plant(tmp_path / "src", {"a.md": "x", deep: "y"}))
    assert task.status is TaskStatus.COMPLETED
    assert "deeper" in " ".join((task.result or {})["warnings"])
    assert await paths(harness) == {"a.md"}


async def test_a_file_named_to_its_address_stands_there(harness: Harness, tmp_path: Path) -> None:
    guide = plant(tmp_path, {"guide.md": "# Guide\n\nnoon"}) / "guide.md"
    await harness.add(guide, to="viking://resources/x/guide.md", origin="here")
    assert await harness.engine.read("viking://resources/x/guide.md") == "# Guide\n\nnoon"
    plant(tmp_path, {"guide.md": "# Guide\n\nnight"})
    task = await harness.add(guide, to="viking://resources/x/guide.md", origin="here")
    assert ((task.result or {})["changed"], (task.result or {})["root_uri"]) == (1, "viking://resources/x/guide.md")
    assert await harness.engine.read("viking://resources/x/guide.md") == "# Guide\n\nnight"
    assert await harness.found("night") == ["viking://resources/x/guide.md"]


async def test_a_long_file_named_to_its_address_is_one_file(harness: Harness, tmp_path: Path) -> None:
    text = long_document("Alpha", "Beta", "Gamma")
    await harness.add(plant(tmp_path, {"guide.md": text}) / "guide.md", to="viking://resources/other.md")
    assert await harness.engine.read("viking://resources/other.md") == text


async def test_a_written_file_is_not_replaced_by_an_import_of_its_name(harness: Harness, tmp_path: Path) -> None:
    await harness.write("viking://resources/guide.md", "mine")
    with pytest.raises(Conflict):
        await harness.engine.add(plant(tmp_path, {"guide.md": "theirs"}) / "guide.md", to="viking://resources/guide.md")


async def test_a_file_may_be_added_as_a_file(harness: Harness, tmp_path: Path) -> None:
    guide = plant(tmp_path, {"guide.md": "# Guide"}) / "guide.md"
    added = [str((await harness.engine.add(guide, as_file=True, origin=o)).root_uri) for o in ("here", "there")]
    await harness.settle()
    assert added == ["viking://resources/guide.md", "viking://resources/guide_1.md"]
    again = await harness.add(guide, as_file=True, origin="there")
    assert (again.resource_id, (again.result or {})["unchanged"]) == ("viking://resources/guide_1.md", 1)


async def test_a_directory_that_is_named_takes_the_file_into_it(harness: Harness, tmp_path: Path) -> None:
    await harness.add(plant(tmp_path, {"guide.md": "# Guide"}) / "guide.md", to="viking://resources/manual")
    assert await paths(harness, "viking://resources/manual") == {"guide.md"}


async def test_names_are_nfc_on_import_and_in_requests(harness: Harness, tmp_path: Path) -> None:
    loose, tight = (unicodedata.normalize(form, "Café Zürich.md") for form in ("NFD", "NFC"))
    with zipfile.ZipFile(tmp_path / "src.zip", "w") as archive:
        archive.writestr(loose, "Opens at seven.")
    await harness.add(tmp_path / "src.zip")
    await harness.add(plant(tmp_path / "folder", {loose: "Opens at eight."}), to="viking://resources/folder")
    for name in (loose, tight):
        assert await harness.engine.read(f"{ROOT}/{name}") == "Opens at seven."
        assert await harness.engine.read(f"viking://resources/folder/{name}") == "Opens at eight."
        assert await harness.found("seven", target_uri=f"{ROOT}/{name}") == [f"{ROOT}/{tight}"]
        assert await harness.engine.glob(f"**/{name}", ROOT) == [f"{ROOT}/{tight}"]
    await harness.write(f"{ROOT}/{loose}", "Opens at nine.")
    assert list(await harness.texts_below(ROOT)) == [tight]
    await harness.engine.mv(f"{ROOT}/{loose}", f"{ROOT}/{unicodedata.normalize('NFD', 'Ångström.md')}")
    assert list(await harness.texts_below(ROOT)) == [unicodedata.normalize("NFC", "Ångström.md")]


async def test_two_files_of_one_address_are_not_mixed_and_named(harness: Harness, tmp_path: Path) -> None:
    files = {unicodedata.normalize(form, "Café.md"): form for form in ("NFD", "NFC")}
    task = await harness.add(plant(tmp_path / "src", {**files, "a?.md": "one", "a_.md": "two"}))
    assert task.status is TaskStatus.COMPLETED
    assert len(await paths(harness)) == 2
    warnings = " ".join((task.result or {})["warnings"])
    assert ("its address is that of" in warnings, (task.result or {})["new"]) == (True, 2)
    again = await harness.add(tmp_path / "src", to=ROOT)
    assert ((again.result or {})["context_count"], (again.result or {})["unchanged"]) == (0, 2)


async def test_one_odd_entry_never_fails_an_import(harness: Harness, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.md")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "src.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in ("Q: why is the sky blue.md", "a", "a/b.md", "../out.md", "/abs.md", "C:\\x.md", "n" * 300 + ".md"):
            archive.writestr(name, "text")
    task = await harness.add(tmp_path / "src.zip")
    assert task.status is TaskStatus.COMPLETED, task.error
    found = await paths(harness)
    assert {"Q_ why is the sky blue.md", "a/b.md"} < found
    assert len(found) == 3
    warnings = " ".join((task.result or {})["warnings"])
    for odd in ("link.md", "skipped a:", "../out.md", "/abs.md", "C:/x.md"):
        assert odd in warnings, odd


async def test_an_archive_of_nothing_but_what_leads_outside_is_refused(harness: Harness, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "src.zip", "w") as archive:
        archive.writestr("../a.md", "x")
    with pytest.raises(Invalid, match="leads outside"):
        await harness.engine.add(tmp_path / "src.zip")


async def test_credentials_are_skipped_and_reported(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"main.py": "print(1)", "app/.env": "DATABASE_PASSWORD=heliotrope"})
    task = await harness.add(folder)
    assert (await harness.found("heliotrope"), await paths(harness)) == ([], {"main.py"})
    assert "skipped app/.env: credentials, left out by default" in (task.result or {})["warnings"]
    assert (task.result or {})["left_out"] == {"credentials, left out by default": 1}
    await harness.add(folder, to=ROOT, include=[".env"])
    assert await harness.found("heliotrope") == [f"{ROOT}/app/.env"]


async def test_a_file_of_credentials_alone_is_refused_with_the_way_to_add_it(harness: Harness, tmp_path: Path) -> None:
    secret = plant(tmp_path, {".env": "PASSWORD=heliotrope"}) / ".env"
    with pytest.raises(Invalid, match="include"):
        await harness.engine.add(secret)
    assert (await harness.add(secret, include=[".env"])).status is TaskStatus.COMPLETED


async def test_names_that_differ_in_case_only_are_both_imported_and_named(harness: Harness, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "src.zip", "w") as archive:
        for name in ("README.md", "readme.md"):
            archive.writestr(name, name)
    task = await harness.add(tmp_path / "src.zip")
    assert await harness.texts_below(ROOT) == {"README.md": "README.md", "readme.md": "readme.md"}
    assert "in case only" in " ".join((task.result or {})["warnings"])


@pytest.mark.parametrize("as_file", [False, True])
async def test_a_picture_of_the_same_origin_stays_at_its_first_day(
    harness: Harness, tmp_path: Path, as_file: bool
) -> None:
    plant(tmp_path, {"cat.png": b"\x89PNG\r\n\x1a\n" + bytes(64)})
    options = {"origin": "disk:/cat.png", "as_file": as_file}
    first = await harness.add(tmp_path / "cat.png", **options)
    day = first.resource_id.removeprefix("viking://resources/images/")[:10]
    await harness.engine.mv("viking://resources/images", "viking://resources/tmp")
    await harness.engine.mv(f"viking://resources/tmp/{day}", "viking://resources/images/2001/02/03")
    plant(tmp_path, {"cat.png": b"\x89PNG\r\n\x1a\n" + bytes(65)})
    again = await harness.add(tmp_path / "cat.png", **options)
    assert again.resource_id == f"viking://resources/images/2001/02/03/cat{'.png' if as_file else ''}"
    other = await harness.add(tmp_path / "cat.png", origin="disk:/other/cat.png", as_file=as_file)
    assert other.resource_id.startswith(f"viking://resources/images/{day}/")
