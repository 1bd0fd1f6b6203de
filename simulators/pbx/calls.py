"""The calls of a virtual PBX: what the network, the limits of the order and people make of each, told as AMI events."""

import asyncio
import itertools
import random
import time
import wave
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from simulators.carrier.rules import CLEARING, OUT_OF_SERVICE, Plan, Planned, Step, plan_for
from simulators.pbx.channel import (
    DOWN,
    NOWHERE,
    RINGING,
    STATES,
    UNKNOWN,
    UP,
    Channel,
    Event,
    Trunk,
    channel_fields,
)
from simulators.pbx.switch import WAITS
from simulators.pbx.troubles import EXTENSIONS, MISSING, NOWHERE_TO_GO, Extension, Refusal

NORMAL, NO_ANSWER, UNSAID = (16, "Normal Clearing"), (19, "User alerting, no answer"), (0, "Unknown")
NOBODY = "0004"  # what the provider takes an order without a number for: nobody has it
NEVER = 1e9
WAIT = "wait"  # where a call waits
RATE, LONGEST = 8000, 60.0  # recordings: samples a second, seconds


class Calls:
    """The calls and the trunks they go through. `context`: where the slots' extensions are, `waiting`: where calls wait
    until they are redirected, `operators`: to where. `say` hears each event; `recordings`: where files go, None for
    nowhere."""

    def __init__(
        self,
        *,
        trunks: Mapping[str, Trunk],
        context: str,
        waiting: str,
        operators: str,
        scale: float,
        recordings: Path | None,
        say: Callable[[Event], None],
    ) -> None:
        self.trunks = dict(trunks)
        self.scale = scale
        self._context = context
        self._waiting = waiting
        self._operators = operators
        self.refusals: list[Refusal] = []  # how the provider ends the next calls
        self.extensions: dict[str, str] = {}  # slots whose extension does not just give a tone
        self.channels: dict[str, Channel] = {}
        self.dials: Counter[str] = Counter()
        self.log: list[Channel] = []  # every call there ever was: the judge's
        self._recordings = recordings
        self._say = say
        self._names = itertools.count()

    def find(self, wanted: str) -> Channel | None:
        """A channel by its id or its name."""
        if wanted in self.channels:
            return self.channels[wanted]
        return next((channel for channel in self.channels.values() if channel.name == wanted), None)

    def stop(self) -> None:
        """Nothing happens to the calls any more."""
        for channel in self.channels.values():
            channel.stop()

    def lose(self) -> None:
        """The PBX was killed: the calls are gone, and nobody says so."""
        self.stop()
        for channel in self.channels.values():
            channel.ended, channel.ender = time.monotonic(), "lost"
        self.channels.clear()

    # --- what is ordered

    def place(self, values: Mapping[str, str], id: Event) -> None:
        """Carry out an `Originate`, of which so far nothing but its form was looked at."""
        technology, _, dialled = values["channel"].partition("/")
        number, _, endpoint = dialled.partition("@")
        channel_id = values.get("channelid") or f"{time.time():.0f}.{next(self._names)}"
        impossible = technology != "PJSIP" or endpoint not in self.trunks or channel_id in self.channels
        if impossible or not self.trunks[endpoint].reachable:
            self._originate_response(values, channel_id, "0", id)
            return
        channel = self.channels[channel_id] = self._channel(values, channel_id, number, endpoint)
        self.log.append(channel)
        self.dials[number if number.startswith("+") else f"+{number}"] += 1
        channel.task = asyncio.get_running_loop().create_task(self._live(channel, values, id))

    def hang_up(self, channel: Channel, cause: str) -> None:
        """End a call because AMI asks for it; it says no more of why than it was asked to."""
        channel.stop()
        self._end(channel, NORMAL if cause == str(NORMAL[0]) else UNSAID, sip=0, far=False, reason="0")

    def redirect(self, channel: Channel, context: str, exten: str) -> None:
        """Take a channel to another place of the dialplan, wherever it is. In a context without it the call is over."""
        if channel.answered is None:
            return
        channel.waits_until = None
        channel.context, channel.exten = context, exten
        channel.moved.append(time.monotonic())
        known = context == self._operators and exten[:1].isdigit() and self.extensions.get(exten) != MISSING
        extension = EXTENSIONS[self.extensions.get(exten, "tone")] if known else NOWHERE_TO_GO
        if self._dial_extension(channel, extension):
            channel.stop()

    def has_extension(self, values: Mapping[str, str]) -> bool:
        """Whether an `Originate` names an extension that its context has."""
        if "exten" not in values:
            return True
        if (values.get("context"), values["exten"]) == (self._waiting, WAIT):
            return True
        return values.get("context") == self._context and self.extensions.get(values["exten"]) != MISSING

    def _channel(self, values: Mapping[str, str], id: str, number: str, endpoint: str) -> Channel:
        now = time.monotonic()
        refusal = self.refusals.pop(0) if self.refusals else None
        variables = dict(pair.partition("=")[::2] for pair in values.get("variable", "").split(","))
        limit = variables.get("TIMEOUT(absolute)", "")
        return Channel(
            id=id,
            name=f"PJSIP/{endpoint}-{next(self._names):08x}",
            endpoint=endpoint,
            number=number,
            context=values.get("context", ""),
            exten=values.get("exten", ""),
            plan=_plan_of(refusal) if refusal is not None else plan_for(number or NOBODY),
            refusal=refusal,
            created=now,
            rings_until=now + int(values.get("timeout", "30000")) / 1000,
            lives_until=now + (float(limit) if limit else NEVER),
            recording=variables.get("OTTB_RECORDING"),
        )

    # --- a call's life

    async def _live(self, channel: Channel, values: Mapping[str, str], id: Event) -> None:
        while True:
            step = channel.created + channel.plan[0].after * self.scale if channel.plan else float("inf")
            limit = channel.lives_until if channel.answered else min(channel.rings_until, channel.lives_until)
            waits = channel.waits_until or float("inf")
            await asyncio.sleep(max(min(step, limit, waits) - time.monotonic(), 0.0))
            if waits <= min(step, limit):
                if channel.waits_until == waits:
                    self._end(channel, NORMAL, sip=0, far=False, reason="0")
                    return
                continue  # it was redirected meanwhile
            if limit <= step:
                cause, sip = (NORMAL, 0) if channel.answered else (NO_ANSWER, 480)
                self._end(channel, cause, sip=sip, far=False, reason="3", id=id)
                return
            planned, channel.plan = channel.plan[0], channel.plan[1:]
            if self._take(channel, planned, values, id):
                return

    def _take(self, channel: Channel, planned: Planned, values: Mapping[str, str], id: Event) -> bool:
        """Have the network's next step happen to a call. Returns whether it is over."""
        match planned.step:
            case Step.ALERT:
                channel.rung = time.monotonic()
                self._move(channel, RINGING)
            case Step.ANSWER:
                channel.answered, channel.answered_at = time.monotonic(), time.time()
                _in_any_order([
                    lambda: self._move(channel, UP),
                    lambda: self._originate_response(values, channel.id, "4", id, channel.name),
                ])  # fmt: skip
                if channel.context == self._waiting:
                    channel.joining, channel.waits_until = True, time.monotonic() + WAITS * self.scale
                    return False
                return self._dial_extension(channel, EXTENSIONS[self.extensions.get(channel.exten, "tone")])
            case Step.END if channel.refusal is not None:
                said = channel.refusal
                self._end(channel, (said.q850, said.text), sip=said.sip, far=True, reason=said.reason, id=id)
                return True
            case Step.END:
                assert planned.cause is not None
                cleared = CLEARING[planned.cause]
                sip = 0 if channel.answered else cleared.sip
                self._end(channel, (cleared.q850, cleared.text), sip=sip, far=True, reason="0", id=id)
                return True
        return False

    def _dial_extension(self, channel: Channel, extension: Extension) -> bool:
        """Join an answered call with its slot. Returns whether that came to nothing, and the call is over."""
        channel.joining = True
        channel.in_vain = extension.in_vain
        for status in ["NOANSWER"] * extension.in_vain + ([extension.status] if extension.status else []):
            self._say_dialled(channel, status)
        if not extension.joins:
            self._end(channel, (extension.cause, extension.text), sip=extension.sip, far=False, reason="0")
        return not extension.joins

    def pass_on(self, channel: Channel) -> None:
        """An answered call is transferred, or parked and taken back: somebody else at the slot's side has it now."""
        channel.moved.append(time.monotonic())
        self._say_dialled(channel, "ANSWER")

    def _say_dialled(self, channel: Channel, status: str) -> None:
        """Dialling somebody at the slot's side has ended like this."""
        number, state = next(self._names), UP if status == "ANSWER" else DOWN
        phone = {"Channel": f"PJSIP/slot{channel.exten}-{number:08x}", "Uniqueid": f"{time.time():.0f}.{number}"}
        phone |= {"ChannelState": str(state), "ChannelStateDesc": STATES[state]}
        dialled = {f"Dest{name}": value for name, value in (channel_fields(channel) | phone).items()}
        event = {"Event": "DialEnd", "Privilege": "call,all", **channel_fields(channel)}
        self._say(event | dialled | {"DialStatus": status})

    def _move(self, channel: Channel, state: int) -> None:
        channel.state = state
        self._say({"Event": "Newstate", "Privilege": "call,all", **channel_fields(channel)})

    def _end(
        self,
        channel: Channel,
        cause: tuple[int, str],
        *,
        sip: int,
        far: bool,
        reason: str,
        id: Event | None = None,
    ) -> None:
        self.channels.pop(channel.id, None)
        channel.ended, channel.cause = time.monotonic(), cause[1]
        channel.ender = "far" if far else "limit" if reason == "3" else "us"
        tech = {"TechCause": str(sip)} if sip else {}
        if far:
            request = {"Event": "HangupRequest", "Privilege": "call,all", **channel_fields(channel)}
            self._say(request | {"Cause": str(cause[0])} | tech)
        hangup = {"Event": "Hangup", "Privilege": "call,all", **channel_fields(channel)}
        hangup |= {"Cause": str(cause[0]), "Cause-txt": cause[1], **tech}
        last: list[Callable[[], None]] = [lambda: self._say(hangup)]
        last += [partial(self._say, part) for part in _cdrs(channel, cause[0])]
        if channel.answered is None:
            order = {"channel": f"PJSIP/{channel.number}@{channel.endpoint}", "context": channel.context}
            order["exten"] = channel.exten
            last.append(lambda: self._originate_response(order, channel.id, reason, id or {}))
        _in_any_order(last)
        self._record(channel)

    def _originate_response(
        self, values: Mapping[str, str], channel_id: str, reason: str, id: Event, channel: str | None = None
    ) -> None:
        response = "Success" if reason == "4" else "Failure"
        self._say({
            "Event": "OriginateResponse", "Privilege": "call,all", **id, "Response": response,
            "Channel": channel or values.get("channel", ""), "Context": values.get("context", ""),
            "Exten": values.get("exten", ""), "Reason": reason, "Uniqueid": channel_id,
            "CallerIDNum": UNKNOWN, "CallerIDName": UNKNOWN,
        })  # fmt: skip

    def _record(self, channel: Channel) -> None:
        """A recording of the right length in which nobody says anything."""
        if self._recordings is None or channel.recording is None or channel.answered is None:
            return
        if "/" in channel.recording or channel.recording.startswith("."):
            return
        self._recordings.mkdir(parents=True, exist_ok=True)
        frames = int(RATE * min(time.monotonic() - channel.answered, LONGEST))
        with wave.open(str(self._recordings / channel.recording), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(bytes(2 * frames))


def _plan_of(refusal: Refusal) -> Plan:
    end = Planned(after=1.0, step=Step.END, cause=OUT_OF_SERVICE)
    return (Planned(after=0.5, step=Step.ALERT), end) if refusal.rings else (end,)


def _cdrs(channel: Channel, cause: int) -> list[Event]:
    """What is counted of a call: one part for each that it was moved to, and one for a phone that rang in vain."""
    now = time.monotonic()
    if channel.answered is None:
        return [_cdr(channel, "BUSY" if cause == 17 else "NO ANSWER", channel.created, now)]
    moments = [channel.answered, *channel.moved, now]
    parts = [_cdr(channel, "ANSWERED", *part) for part in itertools.pairwise(moments)]
    return parts + [_cdr(channel, "NO ANSWER", now, now)] * channel.in_vain


def _cdr(channel: Channel, disposition: str, began: float, ended: float) -> Event:
    now = time.monotonic()
    answered = disposition == "ANSWERED"
    context, exten, _ = (channel.context, channel.exten, "") if channel.joining else NOWHERE
    application = ("Milliwatt", "") if channel.joining else ("AppDial2", "(Outgoing Line)")
    return {
        "Event": "Cdr", "Privilege": "cdr,all", "AccountCode": "", "Source": "", "Destination": exten,
        "DestinationContext": context, "CallerID": '"" <>', "Channel": channel.name, "DestinationChannel": "",
        "LastApplication": application[0], "LastData": application[1], "StartTime": _date(now - began),
        "AnswerTime": _date(now - began) if answered else "", "EndTime": _date(now - ended),
        "Duration": str(int(ended - began)), "BillableSeconds": str(int(ended - began) if answered else 0),
        "Disposition": disposition, "AMAFlags": "DOCUMENTATION", "UniqueID": channel.id,
    }  # fmt: skip


def _date(ago: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago))


def _in_any_order(work: list[Callable[[], None]]) -> None:
    """Asterisk's threads race: nobody may count on an order here."""
    random.shuffle(work)
    for one in work:
        one()
