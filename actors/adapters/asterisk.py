"""Asterisk as a PBX port, spoken to over AMI. Needs `read = call,system,cdr` and `write = call,originate,reporting`.

A call's id is its `ChannelId`, so Asterisk itself refuses a second live one, and every event of ours names it as
`Uniqueid`. What Asterisk 22 says of one call (measured): Newstate Ringing and Up; at the end, in any order within
milliseconds, `OriginateResponse` Failure and `Hangup`, and `HangupRequest` before both where the far side ended it. For
a missing technology or endpoint there is nothing but `OriginateResponse`. A `DialEnd` that names our channel in
`Uniqueid` tells how dialling the slot's extension ended. It and `Cdr` are never waited for.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from actors.adapters.ami import AmiClient, AmiError, AmiMessage, AmiRefused, AmiUncertain, Unsendable
from actors.adapters.asterisk_ends import Ending, cause_of, end_of
from actors.telephony.reports import WORDS, CallPhase, CallSeen, CdrSeen, LiveCall, Look
from actors.trunk.pbx import (
    Contact,
    ContactSeen,
    Originate,
    PbxError,
    PbxLink,
    PbxNoExtension,
    PbxRefused,
    PbxReport,
    PbxUncertain,
    PbxUnreachable,
    RegistrationSeen,
)
from actors.trunk.settings import Ami
from bus_schemas.call import EndReason
from bus_schemas.trunk import TrunkConfig

log = structlog.get_logger()

CHECK_PAUSE = 15.0  # seconds between looks at contacts and registrations
GAP = 1.0  # seconds after a login in which a Hangup may have lost the HangupRequest before it
HANGUP_GRACE = 0.5  # seconds in which a Hangup may explain an OriginateResponse, or the other way round
RING_SLACK, CALL_SLACK = 3.0, 60.0  # seconds by which Asterisk's own limits are later than ours
BY_SILENCE = frozenset({EndReason.HANGUP_LOCAL, EndReason.EXTENSION_FAILED})  # the far side did not ask for the end
_OURS = re.compile(r"c_[A-Za-z0-9_-]{1,62}")  # the ids of our calls
TRACKED = 5000
TOO_MANY = "it says that it is in more calls of ours than there can be"
# In which contexts Asterisk dials for the far side of our channel: one that redirects the call (302), or transfers it
# (REFER, or keys where the dialplan lets it). By itself it takes the endpoint's, and dials there past our gate.
BY_FAR_SIDE, NO_CONTEXT = ("FORWARD_CONTEXT", "TRANSFER_CONTEXT"), "ottb-nowhere"
WAIT = "wait"  # the extension at which whoever answers waits until an operator is there for them
NO_EXTENSION = "Extension does not exist"  # what it answers to an Originate whose context has no such extension


def endpoint_of(channel: str) -> str:
    """The PJSIP endpoint of `PJSIP/trunk-1-0000000a`, or of the dial string `PJSIP/+380991230001@trunk-1`."""
    rest = channel.removeprefix("PJSIP/")
    return rest.rpartition("@")[2] if "@" in rest else rest.rpartition("-")[0]


_FIGURE = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,12})?")
_DURATION = re.compile(r"([0-9]{1,6}):([0-9]{2}):([0-9]{2})")
PHASES: Mapping[str, CallPhase] = {"5": CallPhase.ALERTING, "6": CallPhase.ACTIVE}


class Asterisk:
    """One Asterisk, shared by its trunks."""

    def __init__(self, name: str, settings: Ami, *, prefix: str) -> None:
        self.name = name
        self._settings = settings
        self._trunks: dict[str, tuple[TrunkConfig, Callable[[PbxReport], None]]] = {}
        self._accounts: dict[str, tuple[str, str]] = {}  # of registrations, by name: whose, and with whom
        self._endings: dict[str, Ending] = {}
        self._down = "not connected yet"
        self._up_since = 0.0
        self._live: dict[str, LiveCall] | None = None  # None: not asked since the last login
        self._changed: set[str] = set()  # endpoints whose addresses are to be asked for
        self._checking = asyncio.Lock()  # one answer after the other, so that the last is the newest
        self._tasks: set[asyncio.Task[None]] = set()
        self.client = AmiClient(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            secret=settings.secret or "",
            prefix=prefix,
            on_event=self._hear,
            on_up=self._came,
            on_down=self._lost,
            owner=settings.owner,
        )

    def start(self) -> None:
        self.client.start()
        self._spawn(self._check_now_and_then())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.stop()

    async def version(self) -> str:
        """Its own, as `22.6.0`. Raises AmiError."""
        return (await self.client.act("CoreSettings")).get("AsteriskVersion", "")

    # --- the port

    def attach(self, trunk: TrunkConfig, report: Callable[[PbxReport], None]) -> None:
        self._trunks[trunk.name] = (trunk, report)
        if self.client.up and self._live is not None:
            self._spawn(self._take_stock())
        else:
            report(PbxLink(up=False, detail=self._down))

    def detach(self, trunk: str) -> None:
        self._trunks.pop(trunk, None)

    async def originate(self, trunk: TrunkConfig, order: Originate) -> None:
        number = order.number if trunk.plus else order.number.removeprefix("+")
        limit = round(order.ring_timeout + order.max_duration + CALL_SLACK)
        variables = [f"TIMEOUT(absolute)={limit}", *(f"{name}={NO_CONTEXT}" for name in BY_FAR_SIDE)]
        if order.recording and self._settings.recordings:
            variables.append(f"OTTB_RECORDING={order.recording}")
        fields = [
            ("Channel", f"PJSIP/{number}@{trunk.endpoint}"),
            ("ChannelId", order.call_id),
            ("Async", "true"),
            ("Timeout", str(round(1000 * (order.ring_timeout + RING_SLACK)))),
            ("Variable", ",".join(variables)),
            *self._extension(order.slot),
        ]
        if trunk.caller_id:
            fields.append(("CallerID", f"<{trunk.caller_id}>"))
        self._track(order.call_id, trunk.endpoint)
        try:
            await self.client.act("Originate", fields)
        except AmiError as error:
            raise self._failed(error) from None
        self._report(trunk.endpoint, CallSeen(ref=order.call_id, phase=CallPhase.DIALING))

    def _extension(self, slot: int | None) -> list[tuple[str, str]]:
        if slot is None:
            return [("Context", self._settings.waiting_context), ("Exten", WAIT), ("Priority", "1")]
        if self._settings.context:
            return [("Context", self._settings.context), ("Exten", str(slot)), ("Priority", "1")]
        return [("Application", "Dial"), ("Data", f"PJSIP/{self._settings.endpoint.format(slot=slot)},30")]

    async def redirect(self, call_id: str, extension: str) -> None:
        context = self._settings.operators_context
        try:
            await self.client.act(
                "Redirect", (("Channel", call_id), ("Context", context), ("Exten", extension), ("Priority", "1"))
            )
        except AmiError as error:
            raise self._failed(error) from None

    async def hang_up(self, call_id: str) -> None:
        try:
            await self.client.act("Hangup", (("Channel", call_id), ("Cause", "16")))
        except AmiError as error:
            if not _no_such_channel(error):
                raise self._failed(error) from None
            log.info("nothing to hang up", pbx=self.name, call_id=call_id)

    async def look(self, call_id: str) -> Look:
        try:
            rows = await self.client.ask_list("Status", (("Channel", call_id),))
            row = next((row for row in rows if row.get("Uniqueid") == call_id), None)
            live = await self._live_call(row, _number(row.get("Seconds", ""))) if row is not None else None
        except AmiError as error:
            if not _no_such_channel(error):
                raise self._failed(error) from None
            live = None
        return Look(live=() if live is None or self._has_ended(call_id) else (live,), past=())

    def _failed(self, error: AmiError) -> PbxError:
        """What an error of the connection says about what was asked for."""
        match error:
            case AmiRefused() if str(error).startswith(NO_EXTENSION):
                return PbxNoExtension(f"{self.name}: {error}")
            case AmiRefused() | Unsendable():
                return PbxRefused(f"{self.name}: {error}")
            case AmiUncertain():
                return PbxUncertain(f"{self.name}: {error}")
        return PbxUnreachable(f"{self.name}: {error}")

    def _has_ended(self, call_id: str) -> bool:
        """Whether the end was heard: an answer that was under way meanwhile is out of date."""
        ending = self._endings.get(call_id)
        return ending is not None and ending.gone

    # --- after a login

    def _came(self) -> None:
        self._up_since = asyncio.get_running_loop().time()
        self._spawn(self._take_stock())

    async def _take_stock(self) -> None:
        """Nothing that happened before is known: ask which of our calls are up, and how the trunks are."""
        try:
            rows = await self.client.ask_list("CoreShowChannels")
            ours = [row for row in rows if _OURS.fullmatch(row.get("Uniqueid", ""))]
            if len(ours) > TRACKED:
                self._lost(TOO_MANY)
                return
            live = {row["Uniqueid"]: await self._live_call(row, _seconds(row.get("Duration", ""))) for row in ours}
        except AmiError as error:
            log.warning("the PBX could not be asked for its calls", pbx=self.name, error=str(error))
            return  # the connection ends or the next check asks again
        of_endpoint: dict[str, list[str]] = {}
        for row in ours:
            endpoint = endpoint_of(row.get("Channel", ""))
            of_endpoint.setdefault(endpoint, []).append(row["Uniqueid"])
            ending = self._track(row["Uniqueid"], endpoint)
            ending.rang, ending.up = row.get("ChannelState") in PHASES, row.get("ChannelState") == "6"
            ending.joined = ending.joined or row.get("BridgeId", "") != ""
        self._live = live
        for trunk, report in list(self._trunks.values()):
            mine = {id: live[id] for id in of_endpoint.get(trunk.endpoint, ()) if not self._has_ended(id)}
            report(PbxLink(up=True, live=mine))
        await self._check()

    async def _live_call(self, row: AmiMessage, age: float) -> LiveCall:
        phase = PHASES.get(row.get("ChannelState", ""), CallPhase.DIALING)
        answered = await self._answered_age(row["Uniqueid"]) if phase is CallPhase.ACTIVE else None
        return LiveCall(ref=row["Uniqueid"], phase=phase, created_age=age, answered_age=answered)

    async def _answered_age(self, call_id: str) -> float | None:
        """Seconds since the answer, by the PBX's own clock."""
        try:
            answer = await self.client.act("Getvar", (("Channel", call_id), ("Variable", "CDR(answer,u)")))
            now = await self.client.act("Ping")
        except AmiRefused:  # it has ended
            return None
        at, since = _figure(now.get("Timestamp", "")), _figure(answer.get("Value", ""))
        return max(at - since, 0.0) if at is not None and since is not None else None  # None: it was not answered

    async def _check_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(CHECK_PAUSE)
            try:
                if self.client.up:
                    await (self._take_stock() if self._live is None else self._check())
            except Exception:  # one answer that cannot be read must not end the checks
                log.exception("a check of the PBX failed", pbx=self.name)

    async def _check(self) -> None:
        """How each trunk's address and registration are."""
        async with self._checking:
            with contextlib.suppress(AmiError):
                await self._check_registrations()
                for trunk, report in list(self._trunks.values()):
                    report(await self._contacts(trunk.endpoint))

    async def _check_contacts(self, endpoint: str) -> None:
        """How an endpoint's addresses are, one of which has changed."""
        async with self._checking:
            self._changed.discard(endpoint)  # what changes from now on is asked for again
            with contextlib.suppress(AmiError):
                self._report(endpoint, await self._contacts(endpoint))

    async def _contacts(self, endpoint: str) -> ContactSeen:
        """By dialplan functions, since `PJSIPShowContacts` needs `write = system`, which may do anything. A function
        that the PBX does not know, and one of what is not there, give nothing."""
        aors = (await self._function(f"PJSIP_ENDPOINT({endpoint},aors)") or endpoint).split(",")
        known, found = False, []
        for aor in aors:
            known = known or await self._function(f"PJSIP_AOR({aor},max_contacts)") != ""
            contacts = await self._function(f"PJSIP_AOR({aor},contact)")
            for contact in filter(None, contacts.split(",")):
                status = await self._function(f"PJSIP_CONTACT({contact},status)")
                found.append((status, await self._function(f"PJSIP_CONTACT({contact},rtt)")))
        return contacts_seen(found) if found or not known else ContactSeen(status=Contact.MISSING)

    async def _function(self, function: str) -> str:
        try:
            return (await self.client.act("Getvar", (("Variable", function),))).get("Value", "")
        except AmiRefused:
            return ""

    async def _check_registrations(self) -> None:
        wanted = {trunk.registration for trunk, _ in self._trunks.values()} - {None}
        if not wanted:
            return
        try:
            rows = await self.client.ask_list("PJSIPShowRegistrationsOutbound")
        except AmiRefused:
            rows = []
        found = {row.get("ObjectName", ""): row for row in rows}
        for trunk, report in list(self._trunks.values()):
            if trunk.registration is not None:
                row = found.get(trunk.registration, {})
                self._accounts[trunk.registration] = (row.get("ClientUri", ""), row.get("ServerUri", ""))
                report(RegistrationSeen(status=row.get("Status", "not configured on the PBX")))

    # --- events

    def _lost(self, why: str) -> None:
        self._down, self._live = why, None
        for _, report in list(self._trunks.values()):
            report(PbxLink(up=False, detail=why))

    def _hear(self, event: AmiMessage) -> None:
        name, call_id = event["Event"], event.get("Uniqueid", event.get("UniqueID", ""))
        match name:
            case "ContactStatus":
                self._contact_changed(event.get("EndpointName", ""))
            case "Registry":
                self._registry(event)
            case _ if _OURS.fullmatch(call_id):
                self._hear_call(name, call_id, event)

    def _contact_changed(self, endpoint: str) -> None:
        """One address of an endpoint has changed. How the others are, only asking tells."""
        waits = endpoint in self._changed
        if not waits and any(trunk.endpoint == endpoint for trunk, _ in self._trunks.values()):
            self._changed.add(endpoint)
            self._spawn(self._check_contacts(endpoint))

    def _hear_call(self, name: str, call_id: str, event: AmiMessage) -> None:
        ending = self._track(call_id, endpoint_of(event.get("Channel", "")))
        match name:
            case "Newstate" if (phase := PHASES.get(event.get("ChannelState", ""))) is not None:
                ending.rang, ending.up = True, ending.up or phase is CallPhase.ACTIVE
                self._report(ending.endpoint, CallSeen(ref=call_id, phase=phase))
            case "HangupRequest":
                ending.far = True
            case "DialEnd":
                ending.dialled(event.get("DialStatus", ""))
            case "OriginateResponse" if event.get("Response") == "Failure":
                ending.originate = event.get("Reason", "")[:WORDS]
                self._ends(call_id, ending)
            case "Hangup":
                ending.hang_up(event)
                ending.waited = (event.get("Context"), event.get("Exten")) == (self._settings.waiting_context, WAIT)
                self._ends(call_id, ending)
            case "Cdr":
                if not ending.counting:  # several come together for a call that was moved on
                    asyncio.get_running_loop().call_later(HANGUP_GRACE, self._counted, call_id, ending)
                ending.count(event)

    def _counted(self, call_id: str, ending: Ending) -> None:
        ending.counting = False
        self._report(ending.endpoint, CdrSeen(
            call_id=call_id, disposition=ending.disposition, billable_seconds=ending.billed
        ))  # fmt: skip

    def _ends(self, call_id: str, ending: Ending) -> None:
        """Tell the end: at once, or when what may still explain it has had its time."""
        if ending.clear:
            self._over(call_id, ending)
        else:
            asyncio.get_running_loop().call_later(HANGUP_GRACE, self._over, call_id, ending)

    def _over(self, call_id: str, ending: Ending) -> None:
        """The call is over, which is told once."""
        if ending.told:
            return
        ending.told = True
        reason, line = end_of(ending)
        if reason in BY_SILENCE and asyncio.get_running_loop().time() - self._up_since < GAP:
            reason = EndReason.UNKNOWN  # whoever ended it, nobody heard who
        seen = CallSeen(
            ref=call_id, phase=CallPhase.DISCONNECTED, reason=reason, cause=cause_of(ending), line=line
        )  # fmt: skip
        self._report(ending.endpoint, seen)

    def _track(self, call_id: str, endpoint: str) -> Ending:
        known = self._endings.get(call_id)
        if known is None:
            known = self._endings[call_id] = Ending(endpoint=endpoint[:WORDS])
            if len(self._endings) > TRACKED:
                self._endings.pop(next(iter(self._endings)))
        return known

    def _registry(self, event: AmiMessage) -> None:
        for trunk, report in list(self._trunks.values()):
            account = self._accounts.get(trunk.registration or "", ("", ""))
            if account[0] and account == (event.get("Username"), event.get("Domain")):
                report(RegistrationSeen(status=event.get("Status", "Unknown")))

    def _report(self, endpoint: str, report: PbxReport) -> None:
        for trunk, tell in list(self._trunks.values()):
            if trunk.endpoint == endpoint:
                tell(report)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work on the PBX failed", pbx=self.name, exc_info=task.exception())


def contacts_seen(found: Sequence[tuple[str, str]]) -> ContactSeen:
    """Of all of an endpoint's addresses, status and microseconds each: Asterisk takes the first that answers, and one
    that nobody asks (`NonQualified`, `Unknown`, `Created`) may."""
    for status, usec in found:
        if status == Contact.REACHABLE:
            return ContactSeen(status=Contact.REACHABLE, rtt_ms=round(_number(usec) / 1000, 1))
    silent = found and all(status == Contact.UNREACHABLE for status, _ in found)
    return ContactSeen(status=Contact.UNREACHABLE if silent else Contact.UNKNOWN)


def _no_such_channel(error: AmiError) -> bool:
    """The one refusal that tells about the call. Others (no permission, a busy PBX) say nothing about it."""
    return isinstance(error, AmiRefused) and "no such channel" in str(error).lower()


def _figure(text: str) -> float | None:
    """A figure of the PBX that times can be reckoned with; None where it is none."""
    return float(text) if _FIGURE.fullmatch(text) else None


def _number(text: str) -> float:
    """A figure of the PBX; 0 where it is none."""
    return _figure(text) or 0.0


def _seconds(duration: str) -> float:
    """`00:01:05` in seconds."""
    match = _DURATION.fullmatch(duration)
    return 3600.0 * int(match[1]) + 60 * int(match[2]) + int(match[3]) if match else 0.0
