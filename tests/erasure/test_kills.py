"""A person is erased although the host that does it dies between any two of its steps."""

import asyncio

import msgspec
import pytest

from actors.run.keeping import Keeper
from actors.runtime.marks import is_mark
from bus_schemas.campaign import RUN_CAMPAIGN, RunCampaign
from bus_schemas.crm import EDIT_LEAD, EditLead
from bus_schemas.do_not_call import PUT_ON_DO_NOT_CALL, AddDoNotCall
from bus_schemas.erasure import ERASE_PERSON, GET_ERASURE, ErasePerson, ErasureView, GetErasure
from bus_schemas.lead import LIST_LEADS, GivenLead, LeadStatus, LeadView, ListLeads
from bus_schemas.pipeline_events import OutputLines, output_subject
from simulators.carrier.rules import mobile
from simulators.world.world import Life, World
from tests.campaign.world import Campaigns, play
from tests.support.depth import plays

NUMBER, OTHER = mobile(1, "2003"), mobile(2, "0001")
NAME, STREET = "Olena Zhuravlivska", "Sonnenblumenweg 17"
TRACES = [NUMBER[1:].encode(), NUMBER[4:].encode(), b"Zhuravlivska", STREET.encode()]
OURS = ("redact", "wipe", "erase", "append ottb.v1.evt.erasure.", "put OTTB_HOOK/er_")
PARTS = 4


class Deaths:
    """Kills the host that takes the step `at` of an erasure. `steps`: how many there were."""

    def __init__(self, world: World, at: int) -> None:
        self._world, self._at, self.steps = world, at, 0
        self._before = world._step
        world._step = self._step  # type: ignore[method-assign]

    async def _step(self, life: Life, name: str) -> None:
        await self._before(life, name)
        if name.removeprefix("before ").removeprefix("after ").startswith(OURS):
            self.steps += 1
            if self.steps == self._at:
                self._world.crash(life)
                await asyncio.sleep(0.0)


async def _called(site: Campaigns) -> None:
    """The person is in a list with another, was called and changed, and asked not to be called; the screen of a phone
    that shows them was kept, and a step of a pipeline has written of them."""
    written = OutputLines(pipeline=1, run=1, step="a", first=1, offset=0, text=f"rang {NAME} at {NUMBER}\n")
    await site.world.gateways[0].outputs.write(
        output_subject(1, 1, "a"), msgspec.json.encode(written), {"Nats-Msg-Id": "o1"}
    )
    kept = await Keeper(bus=site.world.gateways[0]).keep("gacs_1-tree", f"{NAME} {NUMBER}".encode())
    assert kept and NAME.split()[1].encode() in _traces(site.world)
    await site.create("c1", attempts_per_lead=1)
    person = GivenLead(number=NUMBER, name=NAME, custom={"street": STREET})
    both = (GivenLead(number=OTHER, name="Petro", custom={"street": "Elsewhere 2"}), person)
    await site.until_done(RUN_CAMPAIGN, RunCampaign(campaign_id="c1", leads=both))
    await site.until_over("c1")
    lead = (await _leads(site))[1].lead
    assert lead.numbers == (NUMBER,)
    await site.until_done(EDIT_LEAD, EditLead(campaign_id="c1", lead=lead.id, name=f"{NAME} jr"))
    await site.until_done(PUT_ON_DO_NOT_CALL, AddDoNotCall(list="global", entries=(NUMBER,), reason=NAME))


async def _leads(site: Campaigns) -> list[LeadView]:
    seen = len(site.world.broker.journal)
    found: list[LeadView] = await site.until_done(LIST_LEADS, ListLeads(campaign_id="c1"), after=seen)
    return found


async def _erased(site: Campaigns) -> ErasureView:
    wanted = ErasePerson(numbers=(NUMBER,), reason="letter")
    said: ErasureView = await site.until_done(ERASE_PERSON, wanted)
    while said.ended is None:
        await asyncio.sleep(1.0)
        said = await site.until_done(GET_ERASURE, GetErasure(erasure=said.erasure))
    await asyncio.sleep(5.0)
    return said


def _traces(world: World) -> list[bytes]:
    broker = world.broker
    said = [
        *(entry.data + repr(entry.headers).encode() for entry in broker.journal),
        *(value.data or b"" for value in broker.values.values()),
        *(entry.data for log in (broker.platform_log, broker.outputs) for entry in log.entries),
    ]
    return [what for what in TRACES for one in said if what in one]


async def _is_right(site: Campaigns) -> None:
    """Nothing is left, and what stays is as it was."""
    assert _traces(site.world)
    said = await _erased(site)
    assert (said.status, said.erased.leads, said.erased.calls) == ("done", 1, 1), said
    assert _traces(site.world) == []
    first, second = await _leads(site)
    assert (first.lead.numbers, first.lead.name, first.lead.custom) == ((OTHER,), "Petro", {"street": "Elsewhere 2"})
    assert second.status is LeadStatus.INVALID and second.attempts == 1
    assert is_mark(second.lead.numbers[0]) and (second.lead.name, second.lead.custom) == ("", {})
    found = await site.view("c1")
    assert (found.leads, found.attempts, found.answered) == (2, 2, 1)


def _story(at: int) -> int:
    """Returns how many steps there were, with a death at that one; 0: none."""
    steps = 0

    async def story(site: Campaigns) -> None:
        nonlocal steps
        await _called(site)
        deaths = Deaths(site.world, at)
        await _is_right(site)
        steps = deaths.steps

    play(story, seed=at, keep=True)
    return steps


@pytest.mark.parametrize("part", range(PARTS)[: plays(2 * PARTS)])
def test_deaths_between_any_two_steps_leave_nothing_behind(part: int) -> None:
    at = part
    while (steps := _story(at)) >= at:
        at += PARTS
    assert at > 4 * PARTS, steps
