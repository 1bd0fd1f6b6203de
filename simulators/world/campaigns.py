"""Campaigns in a simulated world: somebody runs one, adds leads, pauses and stops it, and repeats what they asked for;
and what must be so of it afterwards."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bus_schemas.campaign import (
    CREATE_CAMPAIGN,
    PAUSE_CAMPAIGN,
    RESUME_CAMPAIGN,
    RUN_CAMPAIGN,
    STOP_CAMPAIGN,
    CampaignAttemptClaimed,
    CampaignAttemptEnded,
    CampaignLeadsAdded,
    CampaignSettings,
    CreateCampaign,
    PauseCampaign,
    ResumeCampaign,
    RunCampaign,
    StopCampaign,
    StopMode,
)
from bus_schemas.contract import Rpc
from bus_schemas.lead import GivenLead
from simulators.device.chronicle import DeviceCall
from simulators.world.records import Stored

if TYPE_CHECKING:
    from simulators.world.callers import Callers, Command

ID, USER = "c1", "camp"
LEADS = 4  # of one request
ENDINGS = ("0001", "0003", "0006", "2001", "2005", "3002")
ONCE = CampaignSettings(attempts_per_lead=1)  # so whatever else happens, nobody is called twice


async def run_one(callers: "Callers") -> None:
    """Run a campaign, and stop it before all is over."""
    random = callers.random
    await _ask(callers, "make", CREATE_CAMPAIGN, CreateCampaign(campaign_id=ID, settings=ONCE))
    for part in range(random.randrange(1, 4)):
        await callers._wait(random.uniform(0.0, 15.0))
        leads = tuple(
            GivenLead(number=f"+38066{part}{place:02}{random.choice(ENDINGS)}") for place in range(LEADS)
        )
        run = await _ask(callers, f"run-{part}", RUN_CAMPAIGN, RunCampaign(campaign_id=ID, leads=leads))
        callers._later(callers._repeat(run))
        if random.random() < 0.3:
            await _ask(callers, f"pause-{part}", PAUSE_CAMPAIGN, PauseCampaign(campaign_id=ID))
            await callers._wait(random.uniform(0.0, 5.0))
            await _ask(callers, f"resume-{part}", RESUME_CAMPAIGN, ResumeCampaign(campaign_id=ID))
    await callers._wait(random.uniform(0.0, 40.0))
    mode = random.choice([*StopMode])
    for again in range(100):  # until somebody has heard it
        stop = await _ask(callers, f"stop-{again}", STOP_CAMPAIGN, StopCampaign(campaign_id=ID, mode=mode))
        if stop.answers[-1].refusal is None:
            return


async def stop_again(callers: "Callers") -> None:
    """When all is quiet: a run that somebody was not answered may have been carried out after the stop."""
    await _ask(callers, "stop-last", STOP_CAMPAIGN, StopCampaign(campaign_id=ID, mode=StopMode.HANGUP))


async def _ask(callers: "Callers", id: str, rpc: Rpc[Any, Any], request: Any) -> "Command":
    command = callers.command(f"camp-{id}", USER, rpc, request)
    await callers.ask(command)
    return command


# --- what must be so ----------------------------------------------------------------------------------------------

Broken = tuple[str, str, str]  # kind, about, text


def broken(stored: list[Stored], commands: "list[Command]", dialled: Mapping[str, DeviceCall]) -> Iterator[Broken]:
    """What is not as it must be. `dialled`: by number."""
    claims = [one for one in stored if isinstance(one.event, CampaignAttemptClaimed)]
    ends = [one.event for one in stored if isinstance(one.event, CampaignAttemptEnded)]
    for what, events in (("claimed twice", [one.event for one in claims]), ("two ends of an attempt", ends)):
        for (place, attempt), times in Counter((event.place, event.attempt) for event in events).items():
            if times > 1:
                yield what, f"lead {place}", f"attempt {attempt}: {times} times"
    over = {(event.place, event.attempt): event for event in ends}
    counted: dict[str, bool] = {}
    for claim in (one.event for one in claims):
        end = over.get((claim.place, claim.attempt))
        if end is None:
            yield "attempt without an end", claim.number, f"attempt {claim.attempt}"
        else:
            counted[claim.number] = counted.get(claim.number, False) or end.outcome != "not_dialed"
    for number in dialled.keys() & counted.keys():
        if not counted[number] and dialled[number].created is not None:
            yield "dialled and not counted", number, "all its attempts are said to have reached nothing"
    yield from _late(claims, commands)
    yield from _lost(stored, commands)


def _late(claims: list[Stored], commands: "list[Command]") -> Iterator[Broken]:
    """No attempt begins after a stop was answered, unless somebody runs it again, or had and was told that it may be
    done: a host that stood still may do so later."""
    answers = [(command.rpc, answer) for command in commands for answer in command.answers]
    said = [answer.at for rpc, answer in answers if rpc is STOP_CAMPAIGN and answer.refusal is None]
    runs = [answer for rpc, answer in answers if rpc is RUN_CAMPAIGN]
    if not said or any(run.at > min(said) or run.refusal is not None for run in runs):
        return
    for claim in claims:
        if claim.at > min(said):
            yield "claimed after a stop", claim.event.number, f"at {claim.at:.3f}, stopped at {min(said):.3f}"


def _lost(stored: list[Stored], commands: "list[Command]") -> Iterator[Broken]:
    """Leads that were accepted are on record, each once."""
    kept = Counter(
        lead.numbers[0] for one in stored if isinstance(one.event, CampaignLeadsAdded) for lead in one.event.leads
    )
    for number, times in kept.items():
        if times > 1:
            yield "a lead twice", number, f"{times} times"
    for command in commands:
        if command.rpc is RUN_CAMPAIGN and command.first is not None:
            for lead in command.request.leads:
                if not kept[lead.number]:
                    yield "a lead lost", lead.number, command.id
