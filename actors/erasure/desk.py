"""What is done for an erasure: in the journal, the platform's log, what steps of pipelines wrote, the buckets, the
folders of recordings.

Each step can be done again, by whoever has the erasure then. Whom it is about stands beside the journal, under the
erasure's id, until all is done: first the numbers that were asked for, then all that is known of the person, before
anything of that is changed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import structlog
from msgspec.structs import replace

from actors.archive.archive import Archive, NotAnArchive
from actors.archive.segment import Damaged
from actors.archive.store import NotKept
from actors.archive.whole import Whole
from actors.erasure.gathered import Gathered
from actors.erasure.in_use import InUse
from actors.erasure.known import Known
from actors.erasure.logged import About, Outputs, about, to_delete
from actors.erasure.machine import Cleared, Finished, Impossible, Report
from actors.erasure.parted import LeadKey, Numbered, Pair, Parted, parted, parted_at, restored
from actors.erasure.person import Person, Traces
from actors.erasure.redacting import (
    CHANGES,
    MERGED,
    UNMERGED,
    Redactor,
    found_in,
    numbers_in,
    pair_in,
    with_merged,
)
from actors.runtime.bus import Bus, BusError, LogStream, NotErased, Recorded, Stream
from actors.runtime.context import Context
from actors.runtime.marks import Marks
from actors.runtime.rendezvous import shard_of
from actors.runtime.service import Hosts
from actors.runtime.turns import Turns
from actors.runtime.wire import ask
from bus_schemas.call import CALLS_FEED, CallsFeed
from bus_schemas.contract import ROOT
from bus_schemas.crm import EDIT_LEAD, GET_CRM_LEAD, EditLead
from bus_schemas.do_not_call import CHANGE_DO_NOT_CALL, GLOBAL, ChangeDoNotCall, Listed
from bus_schemas.erasure import (
    ERASE_FILES,
    GET_ERASURE,
    READ_ANEW,
    Erased,
    EraseFiles,
    ErasureBegun,
    GetErasure,
    ReadAnew,
)
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.lead import GetLead, LeadStatus
from bus_schemas.log import LOG_SCOPE
from bus_schemas.permissions import Action
from bus_schemas.pipeline_events import OUTPUT_SCOPE

log = structlog.get_logger()

CALLS = 500  # live ones that are looked through; there are no more at once than lines
FILES = 1_000  # recordings that a host is asked for at once: a message has its length
AGAIN = 1.0  # seconds until a step that could not be done is tried again
RUNS_AGAIN = 10.0  # the same, of a look at the runs of pipelines that are waited for
ARCHIVE_AGAIN, ARCHIVE_AWAY = 10.0, (NotKept, Damaged, NotAnArchive)  # a person has to do something
SNAPSHOTS, WIPED = "OTTB_SNAP", ("OTTB_IDEM", "OTTB_FILE")  # what is in them is made anew, or sent again
KEPT = ("site.up",)  # but for what stands among the snapshots and is none
TOLD_BY = (  # who somebody is
    f"{ROOT}.evt.campaign.*.leads_added", *(f"{ROOT}.evt.campaign.*.{verb}" for verb in CHANGES),
    f"{ROOT}.evt.call.*.*.dialing",
)  # fmt: skip
ALL = f"{ROOT}.evt.>"
OF_PIPELINES = f"{ROOT}.evt.pipeline.>"
MOST_LOOKS = 10  # at the whole journal, until one finds nothing
NO_MORE_CALLED = frozenset({LeadStatus.INVALID, LeadStatus.DO_NOT_CALL})
MAY = frozenset({Action.LEAD_EDIT, Action.LEAD_VIEW, Action.LEAD_VIEW_ANY, Action.SLOT_USE_ANY})
ASKED, SOURCE = "asked a campaign not to be called", "erasure"  # of an entry of the do-not-call list
NOBODY = Person()
NOT_THERE = (
    "The journal was made by an earlier version and lets nothing be erased. docs/erasure.md says how it is brought to."
)


class Desk:
    """`hosts`: how they are asked; `names`: those that are there, this one among them. `archive`: of
    the site; None: it has none."""

    def __init__(
        self, *, bus: Bus, marks: Marks, hosts: Hosts, names: Callable[[], Sequence[str]],
        archive: Archive | None = None,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._known = Known(bus)
        self._archive = archive
        self._whole: Stream = bus if archive is None else Whole(bus=bus, archive=archive)
        self._marks = marks
        self._hosts = hosts
        self._names = names
        self._reading = asyncio.Lock()  # hundreds may be erased at once, and each reads all that there is, ten times

    async def clear(self, begun: ErasureBegun) -> Report:
        """Have everything that is read from say nothing of the person."""
        while True:
            try:
                return Cleared(erased=await self._clear(begun))
            except NotErased as error:
                log.error("nothing can be erased here", erasure=begun.erasure, why=str(error))
                return Impossible(why=NOT_THERE)
            except (BusError, Refusal) as error:
                log.warning("an erasure does not get on", erasure=begun.erasure, error=repr(error))
                await asyncio.sleep(AGAIN)
            except ARCHIVE_AWAY as error:
                log.error("an erasure waits for the archive", erasure=begun.erasure, error=str(error))
                await asyncio.sleep(ARCHIVE_AGAIN)

    async def finish(self, begun: ErasureBegun, cleared: int) -> Report:
        """Wait until the records are made anew, up to the entry `cleared`, and forget whom it was about."""
        while True:
            try:
                await self._finish(begun, cleared)
                return Finished()
            except (BusError, Refusal) as error:
                log.info("an erasure is not over yet", erasure=begun.erasure, error=repr(error))
                await asyncio.sleep(AGAIN)

    # --- whom it is about

    async def _person(self, begun: ErasureBegun) -> Person:
        """All that is known of them, which stays known while it is being erased."""
        if (known := await self._known.person(begun.erasure)) is not None:
            return known
        asked = await self._known.asked(begun.erasure)
        async with self._reading:
            person = await self._gathered(asked)
        await self._known.keep(begun.erasure, person)
        return person

    async def _gathered(self, asked: Person) -> Person:
        """The leads that have one of the numbers, with all of theirs; and the calls to any of those."""
        merged, unmerged = [await self._pairs(verb) for verb, _ in (MERGED, UNMERGED)]
        apart = await self._parted(parted_at(merged, unmerged))
        leads = asked
        for scope in TOLD_BY[:-1]:
            leads = await self._read(scope, leads, asked.numbers, apart)
        leads = with_merged(leads, merged, unmerged)
        for scope in TOLD_BY[:-1]:  # what they were before they had the number
            leads = await self._read(scope, leads, asked.numbers, apart)
        had = {
            (*lead, number)
            async for lead, seq, numbers in self._numbers()
            for number in apart.own(lead, seq, numbers & leads.numbers)
        }
        found = await self._read(TOLD_BY[-1], leads, leads.numbers, apart)  # also those that have left the journal
        return replace(found, had=frozenset(had))

    async def _parted(self, at: Mapping[Pair, int]) -> Parted:
        """Leads that were one, and are two again; mostly there are none, and nothing is read."""
        back = frozenset(restored(at))
        return parted(at, [one async for one in self._numbers() if one[0] in back] if back else ())

    async def _numbers(self) -> AsyncIterator[Numbered]:
        """All that was ever said of leads' numbers."""
        for scope in TOLD_BY[:-1]:
            async for entry in _in_turns(self._bus, scope):
                for one in numbers_in(entry.subject, entry.data, entry.seq):
                    yield one

    async def _pairs(self, verb: str) -> dict[Pair, int]:
        """Which leads became one, or two again, and where that was said last."""
        found = dict[Pair, int]()
        async for entry in self._bus.replay(f"{ROOT}.evt.campaign.*.{verb}"):
            if (pair := pair_in(entry.subject, entry.data)) is not None:
                found[pair] = entry.seq
        return found

    async def _read(self, scope: str, known: Person, numbers: frozenset[str], apart: Parted) -> Person:
        found, turns = Gathered(known), Turns()
        by = replace(known, numbers=numbers)
        async for entry in (self._whole if scope == TOLD_BY[-1] else self._bus).replay(scope):
            if (told := found_in(entry.subject, entry.data, by, apart, entry.seq)) != NOBODY:
                found.add(told)
            await turns.after(len(entry.data))
        person = found.person()
        if found.left_out(person):
            log.warning("an erasure looks not for all that a person was called", entries=found.told)
        return person

    # --- what is done

    async def _clear(self, begun: ErasureBegun) -> Erased:
        person = await self._person(begun)
        traces = Traces(person, self._marks)
        known_at = await self._bus.last_seq()
        for place, (lead, numbers) in enumerate(sorted(_numbers_of(person).items())):
            context = Context(command_id=f"{begun.erasure}-{place}", user=begun.by, actions=MAY, after=known_at)
            await self._call_no_more(lead, numbers, context, theirs=lead in person.leads)
        async with self._reading:
            gone, left_there = await self._from_log(traces)
        files = await self._files(person)
        entries, notes, left, runs = 0, 0, 0, (await self._in_use(traces)).runs
        for _ in range(MOST_LOOKS):
            while await calls_with(self._bus, person.numbers, Context(command_id=begun.erasure)):
                await asyncio.sleep(AGAIN)  # its end will say the number once more
            while going := (in_use := await self._in_use(traces)).runs & runs:
                log.warning("an erasure waits for runs of pipelines", erasure=begun.erasure, runs=sorted(going))
                await asyncio.sleep(RUNS_AGAIN)  # each would tell of them again, and has an end
            async with self._reading:
                changed, looked = await self._from_journal(traces, in_use)
            entries, notes, left = entries + changed, max(notes, looked.notes), looked.left
            if not changed:
                break
        await self._bus.finish_redactions()
        async with self._reading:
            outputs, left_of_them = await self._from_outputs(traces)
            if self._archive is not None:
                await self._from_archive(self._archive, begun.erasure, traces, in_use)
        for bucket in WIPED:
            await self._bus.wipe(bucket)
        await self._wipe_snapshots()
        for kind, id in sorted({("campaign", campaign) for campaign, _ in person.leads} | looked.stale):
            wanted = ReadAnew(shard=shard_of(id), kind=kind, id=id)
            await ask(self._bus, READ_ANEW, wanted, Context(command_id=begun.erasure))
        await self._wipe_snapshots()  # which they may have written meanwhile
        return Erased(
            entries=entries, leads=len(person.leads), calls=len(person.calls), notes=notes, recordings=files, log=gone,
            outputs=outputs, left=left + left_there + left_of_them,
        )  # fmt: skip

    async def _wipe_snapshots(self) -> None:
        kept = {key: await self._bus.get(SNAPSHOTS, key, certain=True) for key in KEPT}
        await self._bus.wipe(SNAPSHOTS)
        for key, entry in kept.items():
            if entry is not None and entry.data is not None:
                await self._bus.put(SNAPSHOTS, key, entry.data, expect=None)

    async def _call_no_more(
        self, key: LeadKey, numbers: Sequence[str], context: Context, *, theirs: bool
    ) -> None:
        """What was said by a lead that any of the numbers is not to be called, outlives it; and its campaign has one
        that is `theirs` as one that cannot be called. One that is archived calls nobody."""
        campaign, lead = key
        try:
            known = await ask(self._bus, GET_CRM_LEAD, GetLead(campaign_id=campaign, lead=lead), context)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
            return
        if known.status is LeadStatus.DO_NOT_CALL or known.lead.consent is False:
            await self._keep_uncalled(numbers, context)
        if theirs and known.status not in NO_MORE_CALLED:
            wanted = EditLead(campaign_id=campaign, lead=lead, status=LeadStatus.INVALID)
            try:
                await ask(self._bus, EDIT_LEAD, wanted, context)
            except Refusal as refusal:
                if refusal.code not in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND):
                    raise

    async def _keep_uncalled(self, numbers: Sequence[str], context: Context) -> None:
        """Who did not want to be called would come in as somebody new, of whom nobody knows that."""
        if not numbers:
            return
        entries = tuple(Listed(entry=self._marks.of(number), reason=ASKED) for number in numbers)
        wanted = ChangeDoNotCall(shard=shard_of(GLOBAL), list=GLOBAL, source=SOURCE, add=entries)
        await ask(self._bus, CHANGE_DO_NOT_CALL, wanted, context)

    async def _in_use(self, traces: Traces) -> InUse:
        in_use = InUse(traces)
        async with self._reading:
            async for entry in _in_turns(self._bus, OF_PIPELINES):
                in_use.take(entry.subject, entry.data, entry.seq)
        return in_use

    async def _from_journal(self, traces: Traces, in_use: InUse) -> tuple[int, Redactor]:
        redactor, changed = Redactor(traces, former=in_use.former, going=in_use.under_way), 0
        async for entry in _in_turns(self._bus, ALL):
            if entry.seq > in_use.seen:
                in_use.take(entry.subject, entry.data, entry.seq)  # a run may begin meanwhile
            said = redactor.redacted(entry.subject, entry.data, entry.headers)
            if said is not None:
                await self._bus.redact(entry, *said)
                changed += 1
        return changed, redactor

    async def _from_archive(self, archive: Archive, erasure: str, traces: Traces, in_use: InUse) -> None:
        """The journal says it already: so does what is read of it from now on to be sealed."""
        redactor = Redactor(traces, former=in_use.former, going=in_use.under_way)
        await archive.rewrite(erasure, lambda entry: redactor.redacted(entry.subject, entry.data, entry.headers))

    async def _from_log(self, traces: Traces) -> tuple[int, int]:
        """Delete entries with a number, and those of others than the platform with a name in full: no more than one
        person's. Returns how many are gone, and how many are left for being more."""
        found = dict[int, About]()
        async for entry in _in_turns(self._bus.log, LOG_SCOPE):
            if (said := about(entry.data, traces)) is not About.NOTHING:
                found[entry.seq] = said
        return await self._delete(self._bus.log, found)

    async def _from_outputs(self, traces: Traces) -> tuple[int, int]:
        """The same of what steps of pipelines have written."""
        outputs = Outputs(traces)
        async for entry in _in_turns(self._bus.outputs, OUTPUT_SCOPE):
            outputs.take(entry.seq, entry.subject, entry.data)
        return await self._delete(self._bus.outputs, outputs.found)

    async def _delete(self, stream: LogStream, found: Mapping[int, About]) -> tuple[int, int]:
        gone = to_delete(found)
        for seq in gone:
            await stream.erase_entry(seq)
        return len(gone), len(found) - len(gone)

    async def _files(self, person: Person) -> int:
        recordings = sorted(person.recordings)
        wanted = [
            EraseFiles(host=host, recordings=tuple(recordings[at : at + FILES]))
            for at in range(0, len(recordings), FILES) for host in self._names()
        ]  # fmt: skip
        context = Context(command_id="erase files")
        return sum([(await self._hosts.ask(ERASE_FILES, one, context)).files for one in wanted])

    async def _finish(self, begun: ErasureBegun, cleared: int) -> None:
        asking = Context(command_id=begun.erasure, after=cleared, actions=frozenset({Action.LEAD_ERASE}))
        await ask(self._bus, GET_ERASURE, GetErasure(erasure=begun.erasure), asking)
        await self._known.forget(begun.erasure)

    async def forget(self, erasure: str) -> None:
        """Nobody needs to know any more whom it was about."""
        while True:
            try:
                return await self._known.forget(erasure)
            except BusError as error:
                log.warning("it is still known who was erased", erasure=erasure, error=repr(error))
                await asyncio.sleep(AGAIN)


async def calls_with(bus: Bus, numbers: frozenset[str], context: Context) -> list[str]:
    """The calls to some numbers that are under way. Raises Refusal."""
    asking = replace(context, actions=frozenset({Action.CALL_VIEW, Action.CALL_VIEW_ANY}))
    found = await ask(bus, CALLS_FEED, CallsFeed(limit=CALLS), asking)
    return sorted(call.call_id for call in found if call.number in numbers)


async def _in_turns(stream: Stream, scope: str) -> AsyncIterator[Recorded]:
    turns = Turns()
    async for entry in stream.replay(scope):
        yield entry
        await turns.after(len(entry.data))


def _numbers_of(person: Person) -> dict[LeadKey, list[str]]:
    """Of each lead that is the person's, or has one of the numbers, which it has or had."""
    found: dict[LeadKey, list[str]] = {lead: [] for lead in person.leads}
    for campaign, lead, number in sorted(person.had):
        found.setdefault((campaign, lead), []).append(number)
    return found


def delete_files(folders: dict[str, Path], recordings: Sequence[str]) -> int:
    """Delete those that are in a folder of this machine's. Returns how many there were. Blocks."""
    gone = 0
    for one in recordings:
        pbx, _, file = one.partition("/")
        folder = folders.get(pbx)
        if folder is not None and file and "/" not in file and (folder / file).is_file():
            (folder / file).unlink()
            gone += 1
    return gone
