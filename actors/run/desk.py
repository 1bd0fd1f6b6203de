"""Where runs of scripts begin: what is asked of any host, of the one that has the slot, and of the scripts themselves.

A run's id is derived from who asks and the command's id, so a repeated command means the same run, as with calls. One
that waits for its slot is on record as well: its host tries in their order until the slot is free.
"""

import asyncio
from collections import deque
from functools import partial

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.dialing import rules
from actors.dialing.pool_share import PoolShare
from actors.dialing.rules import DialRules
from actors.run.actor import Refuse, RunActor, StartNow, share_of_runs
from actors.run.library import Scripts, places_calls, sends_codes
from actors.run.record import run_id_of, scripts_of
from actors.run.rights import rights_now
from actors.run.settings import Scripts as Settings
from actors.runtime.bus import BusError, Fenced
from actors.runtime.checks import Checks
from actors.runtime.clock import moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import Page, forward
from actors.script.checking import check
from actors.script.effects import Done, RunCommand
from actors.script.language import Script
from actors.script.library import kept
from actors.script.permissions import taken
from actors.script.values import bound
from actors.slot.actor import SlotActor
from actors.slot.foreseen import Foreseen
from actors.slot.machine import Take, Taken
from actors.slot.phone import PhoneError
from actors.slot.registry import SlotRegistry
from actors.telephony.line import SCRIPT
from actors.telephony.orders import Drop, Settle
from bus_schemas.contract import ROOT, UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.names import SYSTEM
from bus_schemas.permissions import Action
from bus_schemas.script import (
    RUN_ON_SLOT,
    RUN_QUEUED,
    RUN_STARTED,
    CheckedScript,
    CheckScript,
    GetScript,
    ListScripts,
    RunAsked,
    RunQueued,
    RunScript,
    RunStarted,
    ScriptProblem,
    ScriptStarted,
    ScriptView,
)

log = structlog.get_logger()

LARGEST = 600_000  # bytes of a script with all that it runs, as it is kept with a run: an event has 1 MB at most
APPS, APPS_SECONDS = ("pm", "list", "packages"), 4.0  # what a phone is asked before a run that needs apps
TRY_EVERY = 0.5  # seconds between two tries to get a slot for a run that waits
PASSING = frozenset({ErrorCode.SLOT_BUSY, ErrorCode.SLOT_OFFLINE, ErrorCode.UNAVAILABLE, ErrorCode.CALL_FAILED})

NOT_OURS_NOW = RefusalTemplate(ErrorCode.UNAVAILABLE, "This host is not sure that it owns its slots now. Try again.")
NOT_KNOWN = RefusalTemplate(ErrorCode.TIMEOUT, "The run could not be recorded in time. Ask before repeating.")
GIVEN_UP = RefusalTemplate(ErrorCode.CONFLICT, "This run was given up before it began. Send a new command.")
TOO_MANY = RefusalTemplate(ErrorCode.RATE_LIMITED, "Too many runs wait for this slot already.", rule="waiting")
TOO_MANY_OF_YOURS = RefusalTemplate(
    ErrorCode.RATE_LIMITED, "Too many runs of yours wait already.", rule="waiting_per_user"
)
TOO_OLD = RefusalTemplate(ErrorCode.CONFLICT, "The script needs a newer Android than the phone has.", rule="android")
NO_APP = RefusalTemplate(ErrorCode.CONFLICT, "The phone lacks an app that the script needs.", rule="apps")
TOO_LARGE = RefusalTemplate(ErrorCode.CONFLICT, "The script is too large, with all that it runs.")
MAY_NOT_CALL = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED, "The script places calls: that needs the permission call.start.",
    permission=Action.CALL_START.value,
)  # fmt: skip
MAY_NOT_SEND = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED, "The script sends service codes: that needs the permission script.ussd.",
    permission=Action.SCRIPT_USSD.value,
)  # fmt: skip
TAKES_MORE = RefusalTemplate(
    ErrorCode.PERMISSION_DENIED, "What the script does to the phone needs a permission beside script.run."
)
NO_CODES = RefusalTemplate(
    ErrorCode.CONFLICT, "The script sends service codes, and the site's settings allow none of them.", rule="ussd"
)


class _Waits(Struct, frozen=True, kw_only=True):
    """A run that waits for its slot. `until`: seconds, monotonic."""

    script_id: str
    user: str
    any_slot: bool
    until: float


class RunDesk:
    """The runs of one host."""

    def __init__(
        self, *, host: Host, slots: SlotRegistry, scripts: Scripts, checks: Checks, rules: DialRules, share: PoolShare,
        settings: Settings,
    ) -> None:  # fmt: skip
        self._host = host
        self._slots = slots
        self._scripts = scripts
        self._checks = checks
        self._rules = rules
        self._share = share
        self._settings = settings
        self._starting: dict[str, asyncio.Task[Page]] = {}
        self._waiting: dict[str, deque[_Waits]] = {}
        self._queueing: dict[str, tuple[str, str]] = {}  # slots and users of runs that are about to wait, by their ids

    # --- scripts

    async def list_scripts(self, request: ListScripts, context: Context) -> Page:
        after = request.cursor or ""
        names = [name for name in sorted(self._scripts.usable) if name > after]
        shown = [self._scripts.view(self._scripts.get(name)) for name in names[: request.limit]]
        more = shown[-1].name if len(names) > len(shown) and shown else None
        return Page(body=shown, next_cursor=more)

    async def one(self, request: GetScript, context: Context) -> ScriptView:
        return self._scripts.view(self._scripts.get(request.name))

    async def check(self, request: CheckScript, context: Context) -> CheckedScript:
        """CHECK_SCRIPT."""
        known = {name: script for name, script in self._scripts.usable.items() if name != request.name}
        found = await self._checks.one(context.share, partial(check, request.text, known, request.name))
        problems = [
            ScriptProblem(line=one.line, column=one.column, at=one.at, message=one.message) for one in found.problems
        ]
        script = found.script
        return CheckedScript(
            ok=script is not None, problems=problems, name=script.name if script is not None else None,
            version=script.version if script is not None else None,
            permissions=sorted(taken(kept(script, known).values())) if script is not None else [],
        )  # fmt: skip

    # --- runs

    async def run(self, request: RunScript, context: Context) -> Page:
        """Any host may be asked: the one that has the slot begins it."""
        if self._host.get(SlotActor, str(request.slot_id)) is not None:
            return await self.run_here(request, context)
        return await forward(self._host.bus, RUN_ON_SLOT, request, context)

    async def run_here(self, request: RunScript, context: Context) -> Page:
        """Run a script on a slot of this host. The same command under way twice is one run."""
        script_id = run_id_of(context)
        return await self._host.share(self._starting, script_id, lambda: self._begin(script_id, request, context))

    async def _begin(self, script_id: str, request: RunScript, context: Context) -> Page:
        if not context.fresh and (first := await self._first(script_id)) is not None:
            return first
        if not self._host.may_act:
            raise NOT_OURS_NOW()
        self._host.written.check(share_of_runs(context))
        asked = self._asked(script_id, request, context)
        slot = str(request.slot_id)
        try:
            taken = await self._take(slot, script_id, context.user, any_slot=context.may(Action.SLOT_USE_ANY),
                                     context=context)  # fmt: skip
        except Refusal as refusal:
            if not request.queue or refusal.code is not ErrorCode.SLOT_BUSY:
                raise
            return await self._wait(slot, asked, context)
        try:
            await self._must_be_fit(slot, asked)
        except BaseException:
            self._host.tell(SlotActor, slot, Drop(id=script_id))
            raise
        if self._waiting.get(slot) and not self._is_reserved_for(slot, context.user):  # others were there before
            self._host.tell(SlotActor, slot, Drop(id=script_id))
            if not request.queue:
                raise Refusal(ErrorCode.SLOT_BUSY, "Slot is currently used.", slot=request.slot_id, held_by=SCRIPT)
            return await self._wait(slot, asked, context)
        return await self._start(slot, asked, taken, context)

    async def _must_be_fit(self, slot: str, asked: RunAsked) -> None:
        """The slot's phone can do what the script does, with all that it runs. Raises Refusal."""
        actor, scripts = self._host.get(SlotActor, slot), scripts_of(asked).values()
        if actor is None:
            return
        has = (actor.live.health.android or "").partition(".")[0]
        needs = max((script.needs.android or 0 for script in scripts), default=0)
        if has.isdecimal() and int(has) < needs:
            raise TOO_OLD(android=has, needs=needs)
        apps = {app for script in scripts for app in script.needs.apps}
        if apps and (missing := apps - (await _installed(actor) or apps)):
            raise NO_APP(apps=sorted(missing))

    def _is_reserved_for(self, slot: str, user: str) -> bool:
        """Whether who waits for the slot waits for this user to let it go."""
        actor = self._host.get(SlotActor, slot)
        reservation = actor.state.reservation if actor is not None and actor.state is not None else None
        return reservation is not None and reservation.user == user

    async def _start(self, slot: str, asked: RunAsked, taken: Taken, context: Context) -> Page:
        run = self._host.make(RunActor, asked.script_id)
        try:
            await run.claim(_as(RunStarted, asked), context)
            await self._host.install(run)
        except Fenced:
            self._host.tell(SlotActor, slot, Drop(id=asked.script_id))
            first = await self._first(asked.script_id)
            if first is None:
                raise GIVEN_UP() from None
            return first
        except BaseException as error:  # nobody knows whether it is on record: the slot finds out
            self._host.tell(SlotActor, slot, Settle(id=asked.script_id, kind=SCRIPT))
            if isinstance(error, BusError):
                raise NOT_KNOWN() from None
            raise
        run.go_on(taken.fence)
        return Page(body=ScriptStarted(status="executing", script_id=asked.script_id), seq=run.seq)

    async def _take(self, slot: str, id: str, user: str, *, any_slot: bool, context: Context) -> Taken:
        order = Take(id=id, user=user, any_slot=any_slot, kind=SCRIPT)
        with self._share.run_begins(id, user, int(slot)):
            return await self._host.order(SlotActor, slot, order, context)

    def _asked(self, script_id: str, request: RunScript, context: Context) -> RunAsked:
        """All that is known of the run. Raises Refusal."""
        script = self._scripts.get(request.script)
        own = self._scripts.with_its_own(script)
        self._must_be_allowed(own, context)
        given = bound(script, request.params, self._canonical)
        scripts = msgspec.json.encode(own)
        if len(scripts) > LARGEST:
            raise TOO_LARGE(script=script.name)
        now = moment(self._host.clock)
        return RunAsked(
            line=f"slot-{request.slot_id}", script_id=script_id, slot=request.slot_id, user=context.user,
            script=script.name, version=script.version, at=now.at, mono=now.mono, boot=now.boot,
            command_id=context.command_id, scripts=scripts.decode(), given=msgspec.json.encode(given).decode(),
            ussd=list(self._settings.ussd), trace_id=context.trace_id,
        )  # fmt: skip

    def _must_be_allowed(self, own: dict[str, Script], context: Context) -> None:
        if places_calls(own.values()) and not context.may(Action.CALL_START):
            raise MAY_NOT_CALL()
        if sends_codes(own.values()):
            if not context.may(Action.SCRIPT_USSD):
                raise MAY_NOT_SEND()
            wanted = {code for script in own.values() for code in script.needs.ussd}
            if wanted.isdisjoint(self._settings.ussd):
                raise NO_CODES(codes=sorted(wanted))

        for missing in sorted(taken(own.values()) - context.actions):
            raise TAKES_MORE(permission=missing)

    def _canonical(self, number: str, field: str) -> str:
        return rules.canonical(number, self._rules, self._slots.regions, field).e164

    async def _first(self, script_id: str) -> Page | None:
        """The answer that this command had, by what is on record. Raises Refusal."""
        try:
            for topic, status in ((RUN_STARTED, "executing"), (RUN_QUEUED, "queued")):
                found = await self._host.bus.last(f"{ROOT}.evt.script.*.{script_id}.{topic.verb}", certain=True)
                if found is not None:
                    queued = msgspec.json.decode(found.data, type=RunAsked)
                    answer = ScriptStarted(status="queued" if status == "queued" else "executing",
                                           script_id=queued.script_id)  # fmt: skip
                    return Page(body=answer, seq=found.seq)
        except (BusError, *UNDECODABLE):
            raise NOT_KNOWN() from None
        return None

    # --- runs that wait

    async def _wait(self, slot: str, asked: RunAsked, context: Context) -> Page:
        self._must_have_room(slot, asked.user)
        self._queueing[asked.script_id] = slot, asked.user  # many may be asked for at once
        try:
            return await self._queue(slot, asked, context)
        finally:
            del self._queueing[asked.script_id]

    def _must_have_room(self, slot: str, user: str) -> None:
        about_to = list(self._queueing.values())
        here = len(self._waiting.get(slot, ())) + sum(one == slot for one, _ in about_to)
        if here >= self._settings.waiting:
            raise TOO_MANY(limit=self._settings.waiting)
        theirs = sum(one.user == user for line in self._waiting.values() for one in line)
        if theirs + sum(one == user for _, one in about_to) >= self._settings.waiting_per_user:
            raise TOO_MANY_OF_YOURS(limit=self._settings.waiting_per_user)

    async def _queue(self, slot: str, asked: RunAsked, context: Context) -> Page:
        run = self._host.make(RunActor, asked.script_id)
        try:
            await run.claim(_as(RunQueued, asked), context)
            await self._host.install(run)
        except Fenced:
            first = await self._first(asked.script_id)
            if first is None:
                raise GIVEN_UP() from None
            return first
        except BusError:
            raise NOT_KNOWN() from None
        self._line_up(slot, asked, any_slot=context.may(Action.SLOT_USE_ANY))
        return Page(body=ScriptStarted(status="queued", script_id=asked.script_id), seq=run.seq)

    def _line_up(self, slot: str, asked: RunAsked, *, any_slot: bool) -> None:
        until = self._host.clock.monotonic() + self._settings.wait_at_most
        line = self._waiting.setdefault(slot, deque())
        if any(one.script_id == asked.script_id for one in line):
            return
        line.append(_Waits(script_id=asked.script_id, user=asked.user, any_slot=any_slot, until=until))
        if len(line) == 1:
            self._host.spawn(self._serve(slot))

    def waits(self, run: RunActor) -> None:
        """A run that waited on a host that is gone waits here now. What its user may do is asked anew."""
        if run.state is not None:
            self._line_up(str(run.state.asked.slot), run.state.asked, any_slot=True)

    async def _must_be_allowed_still(self, slot: str, asked: RunAsked) -> None:
        """Whoever asked may do all of it by now, too. Raises Refusal."""
        now = await rights_now(self._host, asked.user)
        self._must_be_allowed(scripts_of(asked), now)
        actor = self._host.get(SlotActor, slot)
        owner = actor.state.config.user if actor is not None and actor.state is not None else None
        if owner not in (None, asked.user) and not now.may(Action.SLOT_USE_ANY):
            raise Refusal(ErrorCode.PERMISSION_DENIED, "The slot belongs to somebody else.", slot=asked.slot)

    async def _serve(self, slot: str) -> None:
        """Give a slot to those that wait for it, one after the other."""
        line = self._waiting[slot]
        try:
            while line:
                if await self._is_served(slot, line[0]):
                    line.popleft()
                else:
                    await self._host.pause(TRY_EVERY)
        finally:
            del self._waiting[slot]

    async def _is_served(self, slot: str, first: _Waits) -> bool:
        """Whether the first in the line waits no more."""
        run = self._host.get(RunActor, first.script_id)
        if run is None or run.state is None or run.state.ended is not None or run.state.started is not None:
            return True
        context = Context(
            command_id=f"{first.script_id}-start", user=first.user, actions=frozenset({Action.SLOT_VIEW_ANY.value})
        )
        try:
            if self._host.clock.monotonic() > first.until:
                why = f"the slot was not free within {self._settings.wait_at_most:g} s"
                await self._host.order(RunActor, first.script_id, Refuse(cause=why), context)
                return True
            if self._host.nearly_full:
                return False
            taken = await self._take(slot, first.script_id, first.user, any_slot=first.any_slot, context=context)
        except Refusal as refusal:
            if refusal.code in PASSING:
                return False
            await self._host.order(RunActor, first.script_id, Refuse(cause=refusal.message), context)
            return True
        try:
            await self._must_be_allowed_still(slot, run.state.asked)
            await self._must_be_fit(slot, run.state.asked)
        except Refusal as refusal:
            if refusal.code in (ErrorCode.PERMISSION_DENIED, ErrorCode.CONFLICT):
                await self._host.order(RunActor, first.script_id, Refuse(cause=refusal.message), context)
            self._host.tell(SlotActor, slot, Drop(id=first.script_id))  # nobody can say it now: it waits on
            return refusal.code in (ErrorCode.PERMISSION_DENIED, ErrorCode.CONFLICT)
        try:
            counted = replace(context, user=SYSTEM)  # what it writes was, when it was asked for
            await self._host.order(RunActor, first.script_id, StartNow(fence=taken.fence), counted)
        except Refusal:  # it was stopped meanwhile, or crashed in the middle: the record tells
            self._host.tell(SlotActor, slot, Settle(id=first.script_id, kind=SCRIPT))
        return True


async def _installed(actor: SlotActor) -> set[str] | None:
    """The apps of a slot's phone. None: it does not say so in time, and a run finds out by itself."""
    try:
        async with asyncio.timeout(APPS_SECONDS):
            said = await Foreseen(slot=actor.id).carry_out(actor.screen, RunCommand(words=APPS))
    except (PhoneError, TimeoutError):
        return None
    if not isinstance(said, Done) or not said.output.endswith("\n"):
        return None
    return {line.removeprefix("package:") for line in said.output.split()}


def _as(kind: type[RunStarted] | type[RunQueued], asked: RunAsked) -> RunStarted | RunQueued:
    return kind(**{name: getattr(asked, name) for name in RunAsked.__struct_fields__})
