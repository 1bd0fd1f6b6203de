"""Hosts die in the middle of an import: another one goes on, and each lead is in once and counted once."""

import asyncio

import pytest

from actors.leads import parts
from bus_schemas.imports import ImportStatus, ImportView
from tests.campaign.world import Campaigns, play
from tests.imports.world import Imports, table
from tests.support.depth import plays

S = ImportStatus
ROWS, BAD = 1000, (17, 500, 999)
SEEDS = range(1, 1 + plays(8))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST", 5)


async def broken_off(imports: Imports) -> tuple[ImportView, int]:
    """An import whose owner is killed a few times, at moments of the seed's choice; and how often."""
    made = await imports.send(table(ROWS, bad=BAD), begin=True)
    kills, random = 0, imports.world.random
    for _ in range(4):
        while (owner := imports.owner(made.import_id)) is None and (await imports.view(made.import_id)).ended is None:
            await asyncio.sleep(0.1)
        await asyncio.sleep(random.uniform(0.0, 0.8))
        if owner is not None and owner.process.runs and (await imports.view(made.import_id)).ended is None:
            imports.world.crash(owner)
            kills += 1
    return made, kills


def counted_once(found: ImportView, leads: int) -> None:
    assert (found.status, found.done, found.new, found.duplicates) == (S.FINISHED, ROWS, ROWS - len(BAD), 0)
    assert found.invalid == {"number: format": len(BAD)} and leads == ROWS - len(BAD)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lead_is_in_once_and_counted_once_whoever_dies(seed: int) -> None:
    killed = 0

    async def story(site: Campaigns) -> None:
        nonlocal killed
        imports = Imports(site)
        await imports.campaign()
        made, killed = await broken_off(imports)
        found = await imports.until_over(made.import_id)
        counted_once(found, (await site.view("c1")).leads)
        lines = (await imports.errors(made.import_id)).splitlines()
        assert [line.split(",")[0] for line in lines] == ["row", *(str(row + 2) for row in BAD)]

    play(story, seed=seed, keep=True)
    print(f"seed {seed}: {killed} kills, 0 leads lost or twice")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancelled_import_counts_what_is_in_whoever_dies(seed: int) -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(ROWS), begin=True)
        await asyncio.sleep(imports.world.random.uniform(0.0, 0.8))
        await imports.cancel(made.import_id)
        owner = imports.owner(made.import_id)
        if owner is not None:
            imports.world.crash(owner)
        found = await imports.until_over(made.import_id)
        await asyncio.sleep(10.0)
        assert found.status is S.CANCELLED and found.new == (await site.view("c1")).leads < ROWS

    play(story, seed=seed, keep=True)


def test_an_import_goes_on_on_another_host() -> None:
    async def story(site: Campaigns) -> None:
        imports = Imports(site)
        await imports.campaign()
        made = await imports.send(table(ROWS, bad=BAD), begin=True)
        while (await imports.view(made.import_id)).done < 300:
            await asyncio.sleep(0.01)
        first = imports.owner(made.import_id)
        assert first is not None
        first.lost.set()  # it leaves, in good order
        found = await imports.until_over(made.import_id)
        counted_once(found, (await site.view("c1")).leads)

    play(story)
