"""An import's shell: has its file read, sends what was read to the campaign, and puts on record how far it is."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Never

from actors.imports import machine
from actors.imports.desk import Came, CampaignRefused, Desk, NotYet, must_go_on
from actors.imports.machine import (
    TOO_OLD,
    Examine,
    Examined,
    Finish,
    Forget,
    Import,
    ImportDecision,
    PartAdded,
    Read,
    ReadOver,
)
from actors.imports.wire import columns_of_request, layout_of, mapping_of
from actors.leads.lead import ListError
from actors.leads.parts import LeadOfRow, ListPart
from actors.runtime.actor import Actor
from actors.runtime.bus import Recorded
from actors.runtime.clock import Moment, moment
from actors.runtime.commands import Order, Outcome, by_type, by_verb, command
from actors.runtime.context import Context
from actors.runtime.decision import NOTHING, Effect, TimerFired
from actors.runtime.files import FileGone
from actors.runtime.host import Host
from actors.runtime.ids import derived
from actors.runtime.rendezvous import shard_of
from actors.runtime.telling import Telling
from actors.runtime.wire import Page
from bus_schemas.campaign import AddOnShard, ReadLead
from bus_schemas.catalogue import topics_of
from bus_schemas.contract import verb_of
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.imports import (
    CANCEL_IMPORT,
    GET_IMPORT,
    IMPORT_ADVANCED,
    IMPORT_STARTED,
    IMPORT_TELEMETRY,
    OVER,
    CancelImport,
    CreateImport,
    GetImport,
    ImportActivated,
    ImportAdvanced,
    ImportEvent,
    ImportStarted,
    ImportStatus,
    ImportTelemetry,
    ImportView,
    MapColumns,
)
from bus_schemas.names import Share, share_of

NO_IMPORT = RefusalTemplate(ErrorCode.NOT_FOUND, "No such import.")
AGAIN = 1.0  # seconds between two tries of a part that the campaign cannot take now
KEEP_OVER = 5.0  # seconds, until the records answer for it
TOLD_EVERY = 0.5  # seconds between two tellings of its counts
MOST_PIECES = 64  # of the table of what is bad, half a megabyte each: more rows are counted

Report = Examined | PartAdded | ReadOver


class Create(Order[ImportView], frozen=True, kw_only=True):
    """Be this import."""

    wanted: CreateImport


class Start(Order[Page], frozen=True, kw_only=True):
    """Have the leads go in. `run`: as StartImport has it. `checked`: who asks may have the campaign dial, and run with
    `run`; else it was not ready to be started when that was to be asked."""

    run: bool | None
    checked: bool


class Map(Order[ImportView], frozen=True, kw_only=True):
    """Have these columns. Who asks sees the campaign."""

    wanted: MapColumns


class ImportActor(Actor[Import, ImportEvent, Never, Report]):
    """One import."""

    kind: ClassVar[str] = "import"
    state_type = Import
    topics = topics_of("import")

    def __init__(self, *, id: str, host: Host, desk: Desk) -> None:
        super().__init__(id=id, host=host)
        self._desk = desk
        self._doing: asyncio.Task[None] | None = None
        self._adding = False  # a part is on its way, or waits for its record
        self._in_doubt = False  # the part that is next may have been sent before
        self._advanced = asyncio.Event()
        self._since = 0  # the entry before which what comes of the next part is not on record
        self._telling = Telling(actor=self, host=host, every=TOLD_EVERY, tell=self._tell)

    # --- commands

    def get(self, request: GetImport, context: Context) -> Outcome[ImportView]:
        return Outcome(decision=NOTHING, reply=self.view())

    def map_columns(self, order: Map, context: Context, now: Moment) -> Outcome[ImportView]:
        known = self._import()
        columns = columns_of_request(order.wanted, known.columns)
        return self._changed(machine.map_columns(known, columns, context.user, now))

    def start_it(self, order: Start, context: Context, now: Moment) -> Outcome[Page]:
        decision = machine.start(self._import(), order.run, context.user, now, checked=order.checked)
        changed = bool(decision.events)
        return Outcome(decision=decision, reply=lambda: Page(body=self.view(), seq=self.seq, changed=changed))

    def cancel(self, request: CancelImport, context: Context) -> Outcome[ImportView]:
        return self._changed(machine.cancel(self._import(), context.user, self._now()))

    def create(self, order: Create, context: Context, now: Moment) -> Outcome[ImportView]:
        if self.state is None:
            self._host.written.check(share_of("", context.user))
        return self._changed(machine.create(self.id, self.state, order.wanted, context.user, now))

    commands = by_verb(
        command(GET_IMPORT, get),
        command(CANCEL_IMPORT, cancel),
    )
    orders = by_type(Create.by(create), Start.by(start_it), Map.by(map_columns))

    def _changed(self, decision: ImportDecision) -> Outcome[ImportView]:
        return Outcome(decision=decision, reply=self.view)

    def _import(self) -> Import:
        if self.state is None:
            raise NO_IMPORT()
        return self.state

    @property
    def _whose(self) -> Share:
        """For whom counts what it writes, whatever its maker came with."""
        return share_of("", self._import().by)

    def view(self) -> ImportView:
        """As it is shown."""
        state = self._import()
        return ImportView(
            import_id=self.id, campaign_id=state.campaign_id, status=state.status, name=state.name,
            size=state.file.size, by=state.by, created=state.at, layout=state.layout, columns=state.columns,
            expected=state.expected, rows=state.rows, done=state.done, new=state.new, duplicates=state.duplicates,
            invalid=state.invalid, errors=state.pieces > 0, ahead=self._desk.turns.ahead(self.id, state.by),
            reason=state.reason, ended=state.ended,
        )  # fmt: skip

    # --- the machine's place

    evolve = staticmethod(machine.evolve)

    def barrier(self, now: Moment, epoch: int) -> ImportActivated:
        return ImportActivated(import_id=self.id, at=now.at, host=self._host.name, epoch=epoch)

    def resume(self, now: Moment) -> ImportDecision:
        self._in_doubt = self.state is not None
        return machine.taken_over(self.state, now)

    def replayed(self, recorded: Recorded) -> None:
        if verb_of(recorded.subject) in (IMPORT_STARTED.verb, IMPORT_ADVANCED.verb):
            self._since = recorded.seq

    def recorded(self, event: ImportEvent) -> None:
        if isinstance(event, ImportStarted | ImportAdvanced):
            self._since = self.seq
        if isinstance(event, ImportAdvanced):
            self._advanced.set()
            self._telling.soon()

    def observe(self, report: Report | TimerFired, now: Moment) -> ImportDecision:
        decision = self._what_follows(report, now)
        if self.state is not None:
            self._host.written.charge(self._whose, decision.events)  # a file says how long they are
        return decision

    def _what_follows(self, report: Report | TimerFired, now: Moment) -> ImportDecision:
        state = self.state
        match report:
            case _ if state is None:
                return NOTHING
            case Examined():
                return machine.examined(state, report, now)
            case PartAdded():
                return machine.added(state, report, now)
            case ReadOver():
                return machine.over(state, report, now)
            case TimerFired(name=name) if name == TOO_OLD:
                return machine.too_old(state, now)
        return NOTHING

    # --- effects

    def perform(self, effect: Effect) -> None:
        match effect:
            case Examine():
                self._doing = self.spawn(self._examine(effect))
            case Read():
                self._doing = self.spawn(self._read())
            case Finish():
                self._finish()
            case Forget():
                self._stop_doing()
                self.spawn(self._forget())

    async def _examine(self, wanted: Examine) -> None:
        state = self._import()
        mapping = mapping_of(wanted.columns) if wanted.columns is not None else None
        try:
            async with self._desk.turns.turn(self.id, state.by), self._desk.opened(state.file) as file:
                found = await file.examine(mapping, count=wanted.count)
            await self._desk.keep_preview(self.id, found)
        except (ListError, FileGone) as error:
            self.tell(ReadOver(failed=str(error)))
        else:
            self.tell(Examined(preview=found))

    async def _read(self) -> None:
        """Have the parts go in, until no more is wanted. Where no more may be written for a while, others read."""
        try:
            while (rest := await self._read_parts()) is not None:
                await self._host.pause(rest)
        except (ListError, FileGone) as error:
            self.tell(ReadOver(failed=str(error)))
        except CampaignRefused as refused:
            self.tell(ReadOver(failed=str(refused), new=refused.new))

    async def _read_parts(self) -> float | None:
        """Have the parts go in, one after the other, each on record before the next one is sent. The seconds until more
        may be written; None: no more is to be."""
        state = self._import()
        assert state.layout is not None and state.columns is not None
        layout, mapping = layout_of(state.layout), mapping_of(state.columns)
        try:
            async with (
                self._desk.turns.turn(self.id, state.by),
                self._desk.opened(state.file) as file,
                contextlib.aclosing(file.parts(layout, mapping, state.row)) as parts,
            ):
                async for part in parts:
                    if not await self._add(part):
                        return None
        except NotYet as later:
            return later.seconds if await self._goes_on() else None
        self.tell(ReadOver())
        return None

    async def _goes_on(self) -> bool:
        """Whether it does, after a part that did not go in. It may have been cancelled while that was on its way."""
        self._adding = False
        if wanted := self._import().status is ImportStatus.RUNNING:
            return wanted
        await self._find_out()
        return False

    async def _add(self, part: ListPart) -> bool:
        """Have a part go in, and on record. False: no more is wanted, and that was told."""
        self._adding = True
        came = await self._send(part)
        if came is None:
            return False
        self._in_doubt = False
        pieces = self._import().pieces
        bad = pieces < MOST_PIECES and await self._desk.keep_bad(self.id, pieces, part, came)
        self._advanced.clear()
        self.tell(
            PartAdded(
                row=part.row, rows=part.rows, new=came.new, duplicates=part.duplicates + came.duplicates,
                invalid=Counter(part.invalid) + came.kinds, bad=bad, began=came.runs and self._import().run,
            )
        )  # fmt: skip
        await self._advanced.wait()
        self._adding = False
        return True

    async def _send(self, part: ListPart) -> Came | None:
        """What came of a part, once the campaign says it. None: nothing more is wanted, and that was told."""
        while self._import().status is ImportStatus.RUNNING:
            self._must_go_on()
            if not part.leads:
                return Came()
            if self._host.may_act and (came := await self._ask(part.leads)) is not None:
                return came
            self._in_doubt = True
            await self._host.pause(AGAIN)
        await self._find_out()
        return None

    def _must_go_on(self) -> None:
        """Raise NotYet where its maker has written too much through this host."""
        try:
            self._host.written.check(self._whose)
        except Refusal as refusal:
            must_go_on(refusal)

    async def _find_out(self) -> None:
        """Find out how many leads are in of a part that may have been sent."""
        came = None if self._in_doubt else Came()
        try:
            while came is None and (came := await self._ask(())) is None:
                await self._host.pause(AGAIN)
        except CampaignRefused:  # there is no such campaign any more
            came = Came()
        self.tell(ReadOver(new=came.new if came is not None else 0))

    async def _ask(self, leads: Sequence[LeadOfRow]) -> Came | None:
        """What comes of leads, once more or for the first time. None: it cannot be said now. Raises CampaignRefused."""
        state = self._import()
        request = AddOnShard(
            shard=shard_of(state.campaign_id), campaign_id=state.campaign_id, run=state.run, goes_on=state.began,
            leads=tuple(ReadLead(row=one.row, lead=one.lead) for one in leads), after=self._since,
        )  # fmt: skip
        command_id = derived("p", self.id, str(state.row))
        return await self._desk.add(request, Context(command_id=command_id, user=state.by, fresh=not self._in_doubt))

    def _finish(self) -> None:
        """Begin nothing more. A part that is on its way comes to its end by itself."""
        if not self._adding:
            self._stop_doing()
            self._doing = self.spawn(self._find_out())

    def _stop_doing(self) -> None:
        if self._doing is not None:
            self._doing.cancel()

    async def _forget(self) -> None:
        await self._desk.forget(self.id, self._import().file)
        self._host.retire(self, KEEP_OVER)

    # --- its counts

    async def _tell(self) -> None:
        state = self._import()
        if state.status not in OVER:  # its end says the same, and is on record
            await self._host.feeds.publish(
                IMPORT_TELEMETRY,
                ImportTelemetry(
                    import_id=self.id, at=self._now().at, status=state.status, rows=state.rows, done=state.done,
                    new=state.new, duplicates=state.duplicates, invalid=state.invalid,
                ),
            )  # fmt: skip

    def _now(self) -> Moment:
        return moment(self._host.clock)
