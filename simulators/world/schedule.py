"""One schedule: a world from its seed, played to its end and judged."""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from actors.adapters.ledger.fresh import Tables, fold_fresh, tables_of
from actors.adapters.ledger.sqlite import SqliteLedger
from actors.call.actor import CallActor
from actors.campaign import places
from actors.runtime import answers, journalled, pieces, rendezvous
from actors.runtime.bus import BusError
from actors.runtime.context import Context
from actors.runtime.ownership import BUCKET, TTL
from actors.runtime.wire import ask
from bus_schemas.call import CALLS_FEED, START_CALL, CallsFeed, StartCall
from bus_schemas.campaign import CampaignAttemptClaimed
from bus_schemas.errors import Refusal
from bus_schemas.pipeline_events import PipelineEnded
from bus_schemas.slot import GET_SLOT, LIST_SLOTS, GetSlot, ListSlots
from bus_schemas.trunk import DIAL_PBX, DialPbx
from simulators.carrier.rules import REMOTE, mobile
from simulators.time.loop import SimLoop, run
from simulators.world.callers import EVERYTHING, Callers
from simulators.world.campaign_judge import CampaignJudge
from simulators.world.campaigns import Campaigners
from simulators.world.judge import Judge, Quiet, Violation
from simulators.world.pipeline_judge import PipelineJudge
from simulators.world.pipelines import Pipeliners
from simulators.world.records import calls_of, numbers_of_leads, read
from simulators.world.timeline import Timeline
from simulators.world.troubles import Trouble, Troubles, draw
from simulators.world.world import SLOTS_OF, TRUNK_OF, World

PROBES = 14_000  # from here on nobody else dials (`mobile`)
CAMPAIGNS_IN = 3  # of so many worlds one has campaigns, and the one after it pipelines
SETTLE = 50.0  # seconds after which every call has ended by itself
SMALL = (  # instead of hundreds, or more: so that worlds of minutes come to all of it
    (journalled, "SNAPSHOT_EVERY", 6),
    (journalled, "LARGE_EVERY", 9),
    (journalled, "LARGE_AT_STOP", 1),
    (answers, "REMEMBERED_ANSWERS", 4),
    (rendezvous, "SHARDS", 4),
    (places, "SIZE", 4),
    (pieces, "SIZE", 1),
)


@dataclass(frozen=True)
class Verdict:
    """How one schedule went."""

    seed: int
    troubles: tuple[str, ...]
    violations: tuple[Violation, ...]
    reasons: Counter[str]
    counts: Counter[str]
    timeline: Timeline

    def text(self) -> str:
        """Seed, what was broken, and the timeline of the first thing."""
        lines = [f"seed {self.seed}, troubles: {', '.join(self.troubles) or 'none'}"]
        lines += [f"  {one.kind}: {one.about} {one.text}" for one in self.violations]
        if self.violations:
            lines.append(self.timeline.about(self.violations[0].about))
        return "\n".join(lines)


def play(seed: int) -> Verdict:
    """Play one seed."""
    with tempfile.TemporaryDirectory(prefix="ottb-world-") as folder, small():
        return run(lambda: _play(seed, Path(folder)), seed)


async def _play(seed: int, folder: Path) -> Verdict:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    kinds = draw(loop.random)
    world = World(
        loop,
        folder,
        user_calls=loop.random.choice((2, 200, 200)),
        slow=0.1 if Trouble.SLOW in kinds else 0.0,
        deaf=0.08 if Trouble.DEAF in kinds else 0.0,
        late=0.2 if Trouble.LATE in kinds else 0.0,
        runners=seed % CAMPAIGNS_IN == 1,
    )
    callers, troubles = Callers(world, repeats=Trouble.REPEAT in kinds), Troubles(world, kinds)
    campaigners = Campaigners(callers) if seed % CAMPAIGNS_IN == 0 else None
    pipeliners = Pipeliners(callers) if world.workshop is not None else None
    others = [people.play() for people in (campaigners, pipeliners) if people is not None]
    quiet = Quiet()
    with _noted_logs(world):
        if pipeliners is not None:
            pipeliners.define(world)
        for machine in world.machines:
            world.keep(machine)
        troubles.begin()
        await callers.play(*others)
        troubles.end()
        if campaigners is not None:
            await campaigners.stop_all()
        await asyncio.sleep(SETTLE)
        await _look_around(world, callers, quiet)
        for people in (campaigners, pipeliners):
            if people is not None:
                await people.look_around()
        await world.stop()
        await asyncio.sleep(TTL + 1.0)  # one whose return was lost runs out by itself
        _look_back(world, quiet)
    judge = Judge(world, callers.commands, quiet)
    of_campaigns = CampaignJudge(judge, campaigners.said).violations() if campaigners is not None else []
    of_pipelines = PipelineJudge(judge, pipeliners).violations() if pipeliners is not None else []
    return Verdict(
        seed=seed,
        troubles=tuple(sorted(kinds)),
        violations=(*judge.violations(), *of_campaigns, *of_pipelines),
        reasons=judge.reasons(),
        counts=_counts(world, callers),
        timeline=Timeline(world, callers.commands),
    )


# --- when all is quiet ------------------------------------------------------------------------------------------


async def _look_around(world: World, callers: Callers, quiet: Quiet) -> None:
    """Nobody may be in a call, and every line must take one."""
    on_record = calls_of(read(world.broker.journal))
    owned = {call.call_id for call in on_record.values() if call.open}
    quiet.ownerless = [call for call in world.book.ordered() if call.ended is None and call.call_id not in owned]
    for handset in world.handsets.values():
        for call in list(handset.telephony.live):
            handset.far_end(REMOTE, call)
    for call_id in list(world.switch.calls):
        world.switch.far_end(call_id, REMOTE)
    await asyncio.sleep(10.0)
    for command in [command for command in callers.commands if command.starts and command.first is not None]:
        await callers.ask(command)
    await asyncio.sleep(3.0)
    await _probe(callers, quiet)
    await asyncio.sleep(30.0)  # a line that finds itself taken away waits until no order to dial can be under way
    await _ask_who_is_busy(world, quiet)


async def _probe(callers: Callers, quiet: Quiet) -> None:
    """A call on every slot, and as many through each trunk as it has channels."""
    slots = [slot for slots in SLOTS_OF.values() for slot in slots]
    probes: list[tuple[str, Any, Any, str]] = []
    for slot in slots:
        number = mobile(PROBES + slot, "0001")
        probes.append((f"slot {slot}", START_CALL, StartCall(number=number, slot=slot), number))
    for place, trunk in enumerate(TRUNK_OF.values()):
        for slot in slots[place : place + 2]:
            number = mobile(PROBES + 10 * (place + 1) + slot, "0001")
            request = DialPbx(from_=f"slot_{slot}", to=number, trunk=trunk)
            probes.append((f"{trunk} from {slot}", DIAL_PBX, request, number))
    for what, rpc, request, number in probes:
        answer = await callers.ask(callers.command(f"probe {what}", f"prober-{number[1:]}", rpc, request, number))
        if answer.refusal is not None:
            quiet.held.append(f"{what}: {answer.refusal!r}")
        if what.startswith("trunk-1 from 2"):
            await asyncio.sleep(5.0)  # the extensions are in a call


async def _ask_who_is_busy(world: World, quiet: Quiet) -> None:
    context = Context(command_id="who", user="admin", actions=EVERYTHING)
    bus = world.gateways[0]
    try:
        for slots in SLOTS_OF.values():
            for slot in slots:
                details = await ask(bus, GET_SLOT, GetSlot(slot=slot), context)
                if details.call_id is not None or details.external_call:
                    quiet.held.append(f"slot {slot}: {details.call_id} external {details.external_call}")
        quiet.held += [f"listed: {row.id} {row.call_id}" for row in await ask(bus, LIST_SLOTS, ListSlots(), context)
                       if row.call_id is not None]  # fmt: skip
        quiet.held += [f"in the feed: {row.call_id}" for row in await ask(bus, CALLS_FEED, CallsFeed(), context)]
    except Refusal as refusal:
        quiet.held.append(f"not answered: {refusal!r}")
    for life in world.lives:
        if life is not life.machine.life:
            continue
        if life.ledger is not None and life.ledger.folded != len(world.broker.journal):
            quiet.ledgers.append(f"{life.process.name} is at {life.ledger.folded} of {len(world.broker.journal)}")
        if life.host is not None:
            quiet.held += [f"{life.process.name} keeps {one!r}" for one in life.host.all(CallActor)]


def _look_back(world: World, quiet: Quiet) -> None:
    """Every host has ended in good order: nothing is left of it, and its ledger is what the journal says."""
    for host in SLOTS_OF:
        lease = world.broker.value(f"{BUCKET}/host.{host}")
        if lease is not None and lease.data is not None:
            quiet.left.append(f"the lease of host {host}, held by {lease.data.decode()}")
    for life in world.lives:
        doing = life.doing
        if life is not life.machine.life or doing is None or not doing.done() or doing.cancelled() or doing.exception():
            continue  # a process that has ended by itself took everything with it
        quiet.left += [f"timer of {life.process.name}: {timer!r}" for timer in world.loop.timers_of(life.process)]
        quiet.left += [f"task of {life.process.name}: {task!r}" for task in world.loop.tasks_of(life.process)]
    fresh: dict[int, Tables] = {}
    for machine in world.machines:
        if machine.life is not None and machine.life.host is not None:
            quiet.ledgers += _differences(world, world.ledger_file(machine), fresh)


# --- the ledger -------------------------------------------------------------------------------------------------


def _differences(world: World, file: Path, fresh: dict[int, Tables]) -> Iterator[str]:
    """What the ledger of one host has otherwise than a fresh fold of the journal, as far as it had read that. `fresh`:
    such folds, by the position that they go to."""
    with closing(SqliteLedger(file)) as store:
        position, found = store.sequence(), tables_of(store)
    if position not in fresh:
        fresh[position] = fold_fresh(world.broker.journal[:position], world.folder / "fresh.sqlite3")
    right = fresh[position]
    for table in sorted(right.keys() | found.keys()):
        here, there = found.get(table, []), right.get(table, [])
        if here != there:
            yield from (f"{file.name}: {table} has {row}" for row in here if row not in there)
            yield from (f"{file.name}: {table} lacks {row}" for row in there if row not in here)


# --- around it --------------------------------------------------------------------------------------------------


def _counts(world: World, callers: Callers) -> Counter[str]:
    counts = Counter(fault.kind for fault in world.book.faults if fault.kind in ("crash", "pause", "outage"))
    counts["repeat"] = sum(max(len(command.answers) - 1, 0) for command in callers.commands)
    counts["foreign"] = len(world.book.calls) - len(world.book.ordered())
    counts["life"] = len(world.lives)
    counts["claim"] = sum(isinstance(one.event, CampaignAttemptClaimed) for one in world.stored)
    leads = numbers_of_leads(world.stored)
    counts["run"] = sum(isinstance(one.event, PipelineEnded) for one in world.stored)
    counts["campaign dial"] = sum(call.number in leads for call in world.book.ordered())
    return counts


@contextmanager
def small() -> Iterator[None]:
    """Short memories, and few shards: what takes long or hundreds of events comes up in worlds of minutes too."""
    kept = [(where, name, getattr(where, name)) for where, name, _ in SMALL]
    try:
        for where, name, value in SMALL:
            setattr(where, name, value)
        yield
    finally:
        for where, name, value in kept:
            setattr(where, name, value)


@contextmanager
def _noted_logs(world: World) -> Iterator[None]:
    """What the hosts log goes into the book; an error in a host that is not the bus's is broken."""

    def note(logger: Any, method: str, event: dict[str, Any]) -> Any:
        error = event.pop("exc_info", None)
        text = " ".join(f"{key}={value}" for key, value in event.items() if key != "event")
        world.book.note(world.now, f"[{method}] {event['event']} {text}")
        error = sys.exc_info()[1] if error is True else error
        if method in ("error", "exception", "critical") and error and not isinstance(error, BusError):
            world.broken.append(f"{world.now:.3f} {event['event']} {text}")
        raise structlog.DropEvent

    kept = structlog.get_config()["processors"]
    processors: list[Callable[..., Any]] = [note]
    structlog.configure(processors=processors)
    try:
        yield
    finally:
        structlog.configure(processors=kept)
