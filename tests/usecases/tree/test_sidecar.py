"""A directory's abstract and overview as files: read by everybody, replaced by who knows better."""

from __future__ import annotations

import pytest

from recalld.domain.errors import Invalid, NotFound
from tests.house_fixture import House

FOLDER = "viking://resources/docs"


async def summarised(house: House) -> None:
    await house.write(f"{FOLDER}/alpha.md", "# Alpha\n\nThe quick brown fox jumps.\n")
    await house.settle()


async def test_until_it_is_made_the_tier_says_so_and_the_file_is_not_there(house: House) -> None:
    await house.write(f"{FOLDER}/alpha.md", "text")
    assert "not ready" in await house.r.abstract(FOLDER)
    assert "not ready" in await house.r.overview(FOLDER)
    with pytest.raises(NotFound):
        await house.r.read(f"{FOLDER}/.overview.md")


async def test_its_overview_names_every_file_with_its_first_words(house: House) -> None:
    await summarised(house)
    assert "`alpha.md`: Alpha" in await house.r.overview(FOLDER)
    assert (await house.r.read(f"{FOLDER}/.overview.md")).rstrip().endswith((await house.r.overview(FOLDER)).rstrip())


async def test_sidecars_are_listed_only_when_hidden_files_are_asked_for(house: House) -> None:
    await summarised(house)
    shown = [n.uri.name for n in await house.r.ls(FOLDER)]
    hidden = [n.uri.name for n in await house.r.ls(FOLDER, hidden=True)]
    assert shown == ["alpha.md"]
    assert set(hidden) == {"alpha.md", ".abstract.md", ".overview.md"}


async def test_what_a_caller_wrote_outlives_a_refresh(house: House) -> None:
    await summarised(house)
    await house.write(f"{FOLDER}/.abstract.md", "All about foxes.")
    await house.write(f"{FOLDER}/beta.md", "# Beta\n\nAnother.\n")
    await house.settle()
    assert await house.r.abstract(FOLDER) == "All about foxes."


async def test_beside_a_callers_abstract_the_overview_is_kept_true(house: House) -> None:
    await house.r.mkdir(FOLDER, description="Papers on foxes.")
    await house.write(f"{FOLDER}/beta.md", "# Beta\n\nAnother.\n")
    await house.settle()
    assert await house.r.abstract(FOLDER) == "Papers on foxes."
    assert "beta.md" in await house.r.overview(FOLDER)


async def test_a_caller_may_write_both(house: House) -> None:
    await summarised(house)
    await house.write(f"{FOLDER}/.abstract.md", "Mine.")
    await house.write(f"{FOLDER}/.overview.md", "Mine too.")
    await house.write(f"{FOLDER}/beta.md", "# Beta\n\nAnother.\n")
    await house.settle()
    assert (await house.r.abstract(FOLDER), await house.r.overview(FOLDER)) == ("Mine.", "Mine too.")


async def test_what_a_caller_wrote_is_what_is_found(house: House) -> None:
    await summarised(house)
    await house.write(f"{FOLDER}/.overview.md", "Vulpine zoology.")
    await house.settle()
    assert f"{FOLDER}/.overview.md" in await house.found("vulpine zoology", level=[1])


async def test_a_sidecar_sent_back_with_its_metadata_keeps_only_the_body(house: House) -> None:
    await summarised(house)
    text = await house.r.read(f"{FOLDER}/.abstract.md")
    head, body = text.rsplit("---\n\n", 1)
    await house.write(f"{FOLDER}/.abstract.md", f"{head}---\n\nMine: {body}")
    assert await house.r.abstract(FOLDER) == f"Mine: {body}".strip()


async def test_metadata_of_another_directory_is_refused(house: House) -> None:
    await summarised(house)
    text = (await house.r.read(f"{FOLDER}/.abstract.md")).replace("docs/", "elsewhere/")
    with pytest.raises(Invalid, match="metadata"):
        await house.write(f"{FOLDER}/.abstract.md", text)


@pytest.mark.parametrize("mode", ["append", "create"])
async def test_a_sidecar_can_only_be_replaced(house: House, mode: str) -> None:
    await summarised(house)
    with pytest.raises(Invalid):
        await house.write(f"{FOLDER}/.abstract.md", "mine", mode=mode)


async def test_an_abstract_longer_than_its_limit_is_refused(house: House) -> None:
    await summarised(house)
    with pytest.raises(Invalid, match="257"):
        await house.write(f"{FOLDER}/.abstract.md", "x" * 257)


async def test_a_new_folders_description_is_its_abstract(house: House) -> None:
    await house.r.mkdir(FOLDER, description="Papers on foxes.")
    await house.settle()
    assert await house.r.abstract(FOLDER) == "Papers on foxes."
