"""Who is erased is in nothing that steps of pipelines have written: phones print numbers and names there."""

import asyncio
from pathlib import Path

from actors.adapters.random_ids import RandomIds
from actors.runner.output import Output
from simulators.bus.memory_bus import MemoryBus
from simulators.carrier.rules import mobile
from tests.support.whole import Whole, whole_site

NUMBER, OTHER, NAME = mobile(4321, "2010"), mobile(4322, "0001"), "Olena Zhuravlivska"
ERASURES = "/api/crm/erasures"
MANY = 101  # steps that print a name: no one person's
SAID = ("building\n", f"am start tel:{NUMBER}\n", f"called {NAME} at noon\n", f"next is {OTHER}\n", "done\n")


async def _written(site: Whole, step: str, *said: str) -> None:
    output = Output(bus=MemoryBus(site.broker), ids=RandomIds(), pipeline=1, run=1, step=step, patience=30.0)
    for text in said:
        await output.write(text.encode())
        await asyncio.sleep(0.1)  # an entry for each
    await output.close()


async def _erase(site: Whole, number: str) -> dict[str, int]:
    status, begun = await site.ask("POST", ERASURES, {"numbers": [number], "reason": "letter"})
    assert status == 202, begun
    async with asyncio.timeout(30):
        while (found := (await site.ask("GET", f"{ERASURES}/{begun['erasure']}"))[1])["status"] != "done":
            await asyncio.sleep(0.1)
    erased: dict[str, int] = found["erased"]
    return erased


def _left(site: Whole) -> str:
    return "".join(entry.data.decode() for entry in site.broker.outputs.entries)


async def test_who_is_erased_is_in_nothing_that_steps_have_written(tmp_path: Path) -> None:
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        assert (await site.ask("POST", "/api/autodialer/campaigns", {"campaign_id": "c1"}))[0] == 201
        lead = {"campaign_id": "c1", "number": NUMBER, "name": NAME}
        assert (await site.ask("POST", "/api/crm/leads", lead))[0] == 201
        await _written(site, "a", *SAID)
        erased = await _erase(site, NUMBER)
        left = _left(site)
        print(f"{len(SAID)} entries: {erased}; left: {left}")
        assert NUMBER[4:] not in left and NAME not in left
        assert OTHER in left and "building" in left and "done" in left
        assert (erased["outputs"], erased["left"]) == (2, 0)


async def test_what_more_steps_say_than_one_person_is_named_in_stays(tmp_path: Path) -> None:
    async with whole_site(tmp_path / "site") as site:
        await site.login()
        assert (await site.ask("POST", "/api/autodialer/campaigns", {"campaign_id": "c1"}))[0] == 201
        lead = {"campaign_id": "c1", "number": NUMBER, "name": "steps succeeded"}
        assert (await site.ask("POST", "/api/crm/leads", lead))[0] == 201
        for step in range(MANY):
            await _written(site, f"s{step}", "all steps succeeded\n")
        erased = await _erase(site, NUMBER)
        assert (erased["outputs"], erased["left"]) == (0, MANY)
        assert _left(site).count("all steps succeeded") == MANY
