"""Whether a world, simulated or of real processes, kept its promises: what the hosts put on record against what phones
and PBX had.

Each rule yields `Violation`s. A doubt on record (`unknown`, `phone_lost`, `trunk_lost`) is honest only where something
went wrong for that call; everything else must be as the phone saw it. `truth.py` compares one record with its call.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from bus_schemas.call import END_CALL, CallAdopted, CallConnected, CallDialing, CallEnded, EndReason
from bus_schemas.errors import Refusal
from bus_schemas.slot import ADB_COMMAND
from simulators.device.chronicle import Chronicle, DeviceCall, Ender, Source
from simulators.world.callers import PASSING, Command
from simulators.world.records import CAMPAIGNERS, CallOnRecord, Stored, calls_of, numbers_of_leads
from simulators.world.truth import MOMENT, Case, compare

LEAVES = 0.1  # seconds in which an order that has left reaches the phone where nothing is in its way
PROMPT = 3.0  # seconds in which an acknowledged end reaches the phone where nothing is in its way
LOOKS = 15  # at a phone in one second: more are a loop that asks again whatever it is told
NEWS = 45.0  # seconds in which an answer or an end gets on record where nothing is in its way (30: `call/strays.py`)


@dataclass(frozen=True)
class Violation:
    """A promise that was broken. `about`: the call, number or thing that it is about."""

    kind: str
    about: str
    text: str


@dataclass
class Quiet:
    """What was seen when all was quiet: each entry is something that should not have been there."""

    ownerless: list[DeviceCall] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    ledgers: list[str] = field(default_factory=list)


class Judged(Protocol):
    """What the judge looks at. `stored`: the journal; `channels`: calls at once through a trunk, `user_calls` of one
    user on one host; `broken`: errors of hosts that are nobody's fault but theirs."""

    book: Chronicle
    user_calls: int
    broken: list[str]

    @property
    def channels(self) -> int: ...
    @property
    def stored(self) -> list[Stored]: ...
    def host_of(self, line: str) -> str: ...


class Judge:
    """The rules over one world."""

    def __init__(self, world: Judged, commands: list[Command], quiet: Quiet) -> None:
        self.world = world
        self.book = world.book
        self.commands = commands
        self.quiet = quiet
        self.stored = world.stored
        self.calls = calls_of(self.stored)
        self.leads = numbers_of_leads(self.stored)
        self._devices: dict[str, DeviceCall] = {}
        for call in self.book.ordered():
            self._devices.setdefault(call.call_id or call.number, call)

    def violations(self) -> list[Violation]:
        """Everything that was broken."""
        rules = (
            self._dials, self._terminal, self._answers, self._truth, self._news, self._foreign, self._lines,
            self._shells, self._looks, self._caps, self._cancels, self._quiet, self._broken,
        )  # fmt: skip
        return [violation for rule in rules for violation in rule()]

    def reasons(self) -> Counter[str]:
        """How the calls ended."""
        return Counter(str(one.event.reason) for one in self.stored if isinstance(one.event, CallEnded))

    def device_of(self, call: CallOnRecord | None) -> DeviceCall | None:
        """What phone or PBX had of a call; None: it was not dialled."""
        if call is None or call.dialing is None:
            return None
        return self._devices.get(call.call_id) or self._devices.get(call.dialing.event.number)

    # --- dials

    def _dials(self) -> Iterator[Violation]:
        """A lead is dialled again under another command; whoever else is called, never."""
        for name, times in Counter(self._name(call) for call in self.book.ordered()).items():
            if times > 1:
                yield Violation("dialled twice", name, f"{times} dials")
        attempts: dict[str, Stored] = {}
        for one in self.stored:
            if isinstance(one.event, CallDialing):
                attempts[one.event.call_id] = attempts[one.event.number] = one
        for call in self.book.ordered():
            attempt = attempts.get(call.call_id or call.number)
            if attempt is None:
                yield Violation("dialled off the record", call.number, "no attempt is on record")
            elif attempt.at > call.created + MOMENT or attempt.event.line != call.line:
                yield Violation("dialled off the record", call.number, f"on {call.line}, not as {attempt.event.line}")

    def _name(self, call: DeviceCall) -> str:
        return call.call_id if call.call_id is not None and call.number in self.leads else call.number

    # --- the record of each call

    def _terminal(self) -> Iterator[Violation]:
        for call in self.calls.values():
            if call.dialing is None and all(isinstance(one.event, CallAdopted) for one in call.events):
                continue  # given up before it got on record: what came after would be refused
            if call.dialing is None:
                yield Violation("no attempt", call.call_id, f"{len(call.events)} events and no attempt")
            elif not call.ended:
                yield Violation("no terminal event", call.call_id, "it never ended")
            elif len(call.ended) > 1:
                yield Violation("two terminal events", call.call_id, f"{len(call.ended)} times")
            attempts = [one for one in call.events if isinstance(one.event, CallDialing)]
            if len(attempts) > 1:
                yield Violation("two attempts", call.call_id, f"on {[one.event.line for one in attempts]}")

    def _truth(self) -> Iterator[Violation]:
        for call in self.calls.values():
            if call.dialing is not None and len(call.ended) == 1:
                device = self.device_of(call)
                for kind, text in compare(Case(call, device, self.book, self.host_of(call))):
                    yield Violation(kind, call.call_id, text)

    def _news(self) -> Iterator[Violation]:
        """What has happened gets on record, however much went wrong before, as soon as nothing does any more."""
        for call in self.calls.values():
            device = self.device_of(call)
            if device is None:
                continue
            case = Case(call, device, self.book, self.host_of(call))
            over = min((one.at for one in call.ended), default=math.inf)
            answers = (one.at for one in call.events if isinstance(one.event, CallConnected))
            for what, happened, told, until in (
                ("answer", device.answered, min(answers, default=over), device.ended),
                ("end", device.ended, over, None),
            ):
                if happened is None:
                    continue
                known = min(told, over, until if until is not None else math.inf)
                waited = case.undisturbed(max(happened, case.attempt.at), known)
                if waited > NEWS:
                    text = f"{what} at {happened:.3f}, known at {known:.3f}: {waited:.1f} s in which nothing was wrong"
                    yield Violation("late news", call.call_id, text)

    def host_of(self, call: CallOnRecord) -> str:
        return self.world.host_of(call.dialing.event.line) if call.dialing is not None else ""

    # --- answers

    def _answers(self) -> Iterator[Violation]:
        for command in self.commands:
            first = command.first
            if first is None:
                continue
            call_id = getattr(first, "call_id", None)
            if command.starts and call_id not in self.calls:
                yield Violation("acknowledged and not on record", str(call_id), command.id)
            if not (command.starts or command.rpc is ADB_COMMAND):
                continue
            said_yes = next(answer.at for answer in command.answers if answer.refusal is None)
            for answer in command.answers:
                if answer.refusal is None and answer.reply != first:
                    yield Violation("another answer", str(call_id), f"{answer.reply} after {first}")
                elif answer.refusal is None or answer.asked < said_yes or answer.refusal.code in PASSING:
                    continue
                elif not self._never_dialled(str(call_id), answer.refusal, answer.at):
                    yield Violation("another answer", str(call_id), f"{answer.refusal!r} after {first}")

    def _never_dialled(self, call_id: str, refusal: Refusal, at: float) -> bool:
        """Whether a repeat was told, truly, that what began had meanwhile ended without a dial."""
        call = self.calls.get(call_id)
        over = [one for one in call.ended if one.at <= at] if call is not None else []
        told = (refusal.details or {}).get("reason") == EndReason.NOT_DIALED
        return told and any(one.event.reason is EndReason.NOT_DIALED for one in over)

    def _cancels(self) -> Iterator[Violation]:
        for command in self.commands:
            if command.rpc is not END_CALL or command.first is None:
                continue
            call = self.calls.get(command.request.call_id)
            device = self.device_of(call)
            if call is None or device is None:
                continue
            said_yes = next(answer.at for answer in command.answers if answer.refusal is None)
            begins = max(said_yes, device.created)
            case = Case(call, device, self.book, self.host_of(call))
            if device.created > said_yes + LEAVES and not case.faults(case.attempt.at - 1.0, device.created):
                text = f"end acknowledged at {said_yes:.3f}, dialled at {device.created:.3f}"
                yield Violation("dialled after its cancel", call.call_id, text)
            over = device.ended if device.ended is not None else begins + 1000.0
            late = over > begins + PROMPT and (not call.ended or call.ended[0].at > said_yes)
            if late and not case.faults(begins - 1.0, begins + PROMPT) and not case.foreign(begins, begins + PROMPT):
                text = f"end acknowledged at {said_yes:.3f}, dialled at {device.created:.3f}, over at {over:.3f}"
                yield Violation("slow cancel", call.call_id, text)

    # --- lines

    def _foreign(self) -> Iterator[Violation]:
        for call in self.book.calls:
            if call.source is not Source.ORDER and call.ender is Ender.US:
                yield Violation("foreign call hung up", call.line, f"{call.ref} {call.number} at {call.ended}")

    def _given_up(self, device: DeviceCall, at: float) -> bool:
        """Whether a call was by then over on record, lost with its PBX: its extension is free, whatever is up there."""
        record = self.calls.get(device.ref)
        ends = record.ended if record is not None else []
        return any(end.event.reason is EndReason.TRUNK_LOST and end.at < at for end in ends)

    def _lines(self) -> Iterator[Violation]:
        ours = self.book.ordered()
        for line in sorted({call.line for call in ours}):
            most = self.world.channels if line.startswith("trunk-") else 1
            for call in (call for call in ours if call.line == line):
                beside = [other for other in ours if other.line == line and other.up(call.created)]
                if len(beside) > most:
                    yield Violation("too many calls on a line", call.number, f"{len(beside)} on {line}")
        through = [call for call in ours if call.slot is not None]
        for call in through:
            beside = [other for other in through if other.slot == call.slot and other.up(call.created)]
            if sum(not self._given_up(other, call.created) for other in beside) > 1:
                yield Violation("two calls on an extension", call.number, f"of slot {call.slot}")

    def _shells(self) -> Iterator[Violation]:
        for (phone, command), times in self.book.shells.items():
            if times > 1:
                yield Violation("command run twice", phone, f"{command}: {times} times")

    def _looks(self) -> Iterator[Violation]:
        for (phone, second), times in self.book.looks.items():
            if times > LOOKS:
                yield Violation("asked in a loop", phone, f"{times} looks in the second from {second}")

    def _caps(self) -> Iterator[Violation]:
        """Calls that were dialled: an owner that stood still may put one more on record, and sees before it dials that
        it is none any more."""
        open_now: dict[tuple[str, str], set[str]] = {}
        for one in self.stored:
            if not isinstance(one.event, CallDialing | CallEnded) or one.event.user in CAMPAIGNERS:
                continue  # a campaign has as many as it is offered lines
            if self.device_of(self.calls[one.event.call_id]) is None:
                continue
            calls = open_now.setdefault((one.event.user, self.world.host_of(one.event.line)), set())
            if isinstance(one.event, CallEnded):
                calls.discard(one.event.call_id)
                continue
            calls.add(one.event.call_id)
            if len(calls) > self.world.user_calls:
                text = f"{one.event.user} has {len(calls)} calls open at {one.at:.3f}, {self.world.user_calls} allowed"
                yield Violation("over the user's limit", one.event.call_id, text)

    # --- the rest

    def _quiet(self) -> Iterator[Violation]:
        for call in self.quiet.ownerless:
            yield Violation("ownerless call", call.number, f"{call.ref} is up on {call.line} and nobody's")
        for kind, found in (("held", self.quiet.held), ("left over", self.quiet.left)):
            for text in found:
                yield Violation(kind, "", text)
        for text in self.quiet.ledgers:
            yield Violation("ledger differs", "", text)

    def _broken(self) -> Iterator[Violation]:
        for text in self.world.broken:
            yield Violation("host broken", "", text)
