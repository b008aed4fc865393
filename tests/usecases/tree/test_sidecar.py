"""A directory's abstract and overview as files: readable, and replaceable by callers."""

from __future__ import annotations

import pytest

from recalld.domain.errors import Invalid, NotFound
from tests.harness import Harness

FOLDER = "viking://resources/docs"


async def summarised(harness: Harness) -> None:
    await harness.write(f"{FOLDER}/alpha.md", "# Alpha\n\nThe quick brown fox jumps.\n")
    await harness.settle()


async def test_until_it_is_made_the_tier_says_so_and_the_file_is_not_there(harness: Harness) -> None:
    await harness.write(f"{FOLDER}/alpha.md", "text")
    assert "not ready" in await harness.engine.abstract(FOLDER)
    assert "not ready" in await harness.engine.overview(FOLDER)
    with pytest.raises(NotFound):
        await harness.engine.read(f"{FOLDER}/.overview.md")


async def test_its_overview_names_every_file_with_its_first_words(harness: Harness) -> None:
    await summarised(harness)
    assert "`alpha.md`: The quick" in await harness.engine.overview(FOLDER)
    assert (
        (await harness.engine.read(f"{FOLDER}/.overview.md"))
        .rstrip()
        .endswith((await harness.engine.overview(FOLDER)).rstrip())
    )


async def test_sidecars_are_listed_only_with_hidden(harness: Harness) -> None:
    await summarised(harness)
    shown = [n.uri.name for n in await harness.engine.ls(FOLDER)]
    hidden = [n.uri.name for n in await harness.engine.ls(FOLDER, hidden=True)]
    assert shown == ["alpha.md"]
    assert set(hidden) == {"alpha.md", ".abstract.md", ".overview.md"}


async def test_tiers_written_by_a_caller_survive_a_refresh(harness: Harness) -> None:
    await summarised(harness)
    await harness.write(f"{FOLDER}/.abstract.md", "All about foxes.")
    await harness.write(f"{FOLDER}/beta.md", "# Beta\n\nAnother.\n")
    await harness.settle()
    assert await harness.engine.abstract(FOLDER) == "All about foxes."


async def test_beside_a_callers_abstract_the_overview_is_kept_true(harness: Harness) -> None:
    await harness.engine.mkdir(FOLDER, description="Papers on foxes.")
    await harness.write(f"{FOLDER}/beta.md", "# Beta\n\nAnother.\n")
    await harness.settle()
    assert await harness.engine.abstract(FOLDER) == "Papers on foxes."
    assert "beta.md" in await harness.engine.overview(FOLDER)


async def test_a_caller_may_write_both(harness: Harness) -> None:
    await summarised(harness)
    await harness.write(f"{FOLDER}/.abstract.md", "Mine.")
    await harness.write(f"{FOLDER}/.overview.md", "Mine too.")
    await harness.write(f"{FOLDER}/beta.md", "# Beta\n\nAnother.\n")
    await harness.settle()
    assert (await harness.engine.abstract(FOLDER), await harness.engine.overview(FOLDER)) == ("Mine.", "Mine too.")


async def test_tiers_written_by_a_caller_are_found(harness: Harness) -> None:
    await summarised(harness)
    await harness.write(f"{FOLDER}/.overview.md", "Vulpine zoology.")
    await harness.settle()
    assert f"{FOLDER}/.overview.md" in await harness.found("vulpine zoology", level=[1])


async def test_a_sidecar_sent_back_with_its_metadata_keeps_only_the_body(harness: Harness) -> None:
    await summarised(harness)
    text = await harness.engine.read(f"{FOLDER}/.abstract.md")
    head, body = text.rsplit("---\n\n", 1)
    await harness.write(f"{FOLDER}/.abstract.md", f"{head}---\n\nMine: {body}")
    assert await harness.engine.abstract(FOLDER) == f"Mine: {body}".strip()


async def test_metadata_of_another_directory_is_refused(harness: Harness) -> None:
    await summarised(harness)
    text = (await harness.engine.read(f"{FOLDER}/.abstract.md")).replace("docs/", "elsewhere/")
    with pytest.raises(Invalid, match="metadata"):
        await harness.write(f"{FOLDER}/.abstract.md", text)


@pytest.mark.parametrize("mode", ["append", "create"])
async def test_a_sidecar_can_only_be_replaced(harness: Harness, mode: str) -> None:
    await summarised(harness)
    with pytest.raises(Invalid):
        await harness.write(f"{FOLDER}/.abstract.md", "mine", mode=mode)


async def test_an_abstract_longer_than_its_limit_is_refused(harness: Harness) -> None:
    await summarised(harness)
    with pytest.raises(Invalid, match="257"):
        await harness.write(f"{FOLDER}/.abstract.md", "x" * 257)


async def test_a_new_folders_description_is_its_abstract(harness: Harness) -> None:
    await harness.engine.mkdir(FOLDER, description="Papers on foxes.")
    await harness.settle()
    assert await harness.engine.abstract(FOLDER) == "Papers on foxes."
