"""One record against the call that the phone or the PBX had. Pure.

Nobody can know more than was to be seen: a host that stood still hears late, a phone that was asked slowly answers
late, and a clock that was set tells nonsense, which must be marked. Each of these widens what counts as true, by as
much as it lasted and no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bus_schemas.call import CallEnded, EndReason
from simulators.device.chronicle import Chronicle, DeviceCall, Ender, Fault, Source
from simulators.world.records import CallOnRecord, Stored

DOUBTS = frozenset({EndReason.UNKNOWN, EndReason.PHONE_LOST, EndReason.TRUNK_LOST})
BY_REMOTE = frozenset({EndReason.HANGUP_REMOTE, EndReason.REJECTED, EndReason.BUSY})
NO_EXCUSE = ("settings", "wall clock", "phone clock", "lost ack")
MOMENT = 0.001  # seconds by which times of two books may differ
GAP = 0.1  # seconds in which news that is under way is lost with whoever was to hear it
UNASKED = ("look: no answer", "look: slow", "reopening", "outage", "disk full")
LINK_TIME = 5.0  # seconds in which whoever goes on has had the chance to connect again
CLOSE = 1.0  # seconds by which a record may be off
BEFORE = 5.0  # seconds in which a lease that ran out shows
SMALL_STEP = 10.0  # seconds that nobody can tell from a slow answer

Finding = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """A call on record, the device's call if it was dialled, and what went wrong meanwhile."""

    call: CallOnRecord
    device: DeviceCall | None
    book: Chronicle
    host: str

    @property
    def attempt(self) -> Stored:
        assert self.call.dialing is not None
        return self.call.dialing

    @property
    def begun(self) -> float:
        """When its attempt was made: a host may stand still before it is stored."""
        return min(float(self.attempt.event.mono), self.attempt.at)

    @property
    def line(self) -> str:
        return str(self.attempt.event.line)

    @property
    def on_phone(self) -> bool:
        return self.line.startswith("slot-")

    def faults(self, start: float, end: float, *kinds: str) -> list[Fault]:
        """What went wrong between two moments for this call; `kinds`: only faults whose kind begins like that."""
        targets = {"bus", f"host {self.host}", self.line if self.on_phone else "pbx"}
        found = [fault for fault in self.book.faults if fault.target in targets and fault.touches(start, end)]
        if kinds:
            return [fault for fault in found if fault.kind.startswith(kinds)]
        return [fault for fault in found if not fault.kind.startswith(NO_EXCUSE)]

    def undisturbed(self, start: float, end: float) -> float:
        """The longest time between two moments in which nothing went wrong for this call, in seconds."""
        longest, since = 0.0, start
        for fault in sorted(self.faults(start, end), key=lambda fault: fault.start):
            longest = max(longest, fault.start - since)
            since = max(since, end if fault.end is None else fault.end)
        return max(longest, end - since)

    def unseen(self) -> bool:
        """Whether the end fell into a gap, on a PBX: it keeps no history, so nobody can know when and how. Or whether
        the answer did, and the PBX was not asked about it before the end: who waits for the journal asks nobody."""
        if self.on_phone or self.device is None or self.device.ended is None:
            return False
        gaps, answered, end = ("away", "crash", "pause", "cut", "PBX"), self.device.answered, self.device.ended
        if self.faults(end - MOMENT, end + GAP, *gaps):
            return True
        unheard = answered is not None and self.faults(answered - MOMENT, answered + GAP, *gaps)
        return bool(unheard and self.faults(answered or 0.0, end, *UNASKED))

    def contested(self) -> bool:
        """Whether the host could not be sure of its lease, or two processes claimed its lines before: one that was
        stopped can take a line away late, which its owner notices at its next dial."""
        return bool(self.faults(0.0, self.attempt.at, "pause", "second process", "outage", "disk full", "lost ack"))

    def foreign(self, start: float, end: float) -> bool:
        """Whether the phone was in somebody else's call."""
        return any(
            call.line == self.line and call.source is not Source.ORDER and call.created <= end
            and (call.ended is None or call.ended >= start)
            for call in self.book.calls
        )  # fmt: skip

    def out_of_reach(self, at: float) -> bool:
        """Whether the phone or the PBX was then: cut off, or not connected to again yet. Whoever has stood still may
        not count that time against a phone that was back meanwhile."""
        if self.faults(at - 1.0, at, "unplugged", "ailing", "phone restarted", "cut", "PBX"):
            return True
        return bool(self.faults(at - 1.0, at, "reopening") and not self.faults(at - LINK_TIME, at, "pause"))

    def slack(self, start: float, end: float) -> float:
        """Seconds by which the record may be off, by what happened until `end`."""
        late = self.faults(start, end, "pause", "look: slow")
        late_by = sum((fault.end or end) - fault.start for fault in late)
        return CLOSE + late_by + sum(abs(_step(one)) for one in self.small_steps(start, end))

    def small_steps(self, start: float, end: float) -> list[Fault]:
        """The steps of the phone's clock between two moments that pass for slow answers."""
        return [fault for fault in self.faults(start, end, "phone clock") if abs(_step(fault)) <= SMALL_STEP]


def _step(fault: Fault) -> float:
    return float(fault.kind.rsplit(" ", 1)[1])


def compare(case: Case) -> Iterator[Finding]:
    """What is untrue in a record."""
    stored = case.call.ended[0]
    ended: CallEnded = stored.event
    if case.device is None:
        yield from _never_dialled(case, stored)
        return
    if ended.reason is EndReason.NOT_DIALED:
        yield "untrue reason", f"{ended.reason}: {ended.cause}; it was dialled at {case.device.created:.3f}"
        return
    yield from _premature(case, stored, case.device)
    if ended.reason in DOUBTS:
        yield from _doubt(case, stored, case.device)
    elif case.device.ended is not None:
        yield from _reason(case, ended, case.device)
        yield from _seconds(case, stored, case.device)


def _never_dialled(case: Case, stored: Stored) -> Iterator[Finding]:
    ended: CallEnded = stored.event
    if ended.answer_time is not None or ended.duration:
        yield "untrue seconds", f"{ended.duration} s of talk, and it was never dialled"
    called_off = (EndReason.HANGUP_LOCAL, EndReason.NO_ANSWER, EndReason.NOT_DIALED)
    if ended.reason in called_off and case.call.endings:
        return
    if ended.reason is EndReason.NOT_DIALED and case.call.called_off:
        return
    honest = DOUBTS | {EndReason.NOT_DIALED} | (frozenset() if case.on_phone else {EndReason.NETWORK})
    if ended.reason not in honest:
        yield "untrue reason", f"{ended.reason}, and it was never dialled"
    elif not (
        case.faults(case.attempt.at - BEFORE, stored.at)
        or case.foreign(case.attempt.at - 1.0, stored.at)
        or (ended.reason is EndReason.NOT_DIALED and case.contested())
    ):
        yield "doubt without a reason", f"{ended.reason}: {ended.cause}; never dialled, and nothing was wrong"


def _premature(case: Case, stored: Stored, device: DeviceCall) -> Iterator[Finding]:
    ended: CallEnded = stored.event
    if device.created > stored.at + MOMENT:
        yield "dialled after its end", f"ended at {stored.at:.3f}, dialled at {device.created:.3f}"
        return
    if not device.up(stored.at - MOMENT) or not device.up(stored.at + MOMENT):
        return
    if not case.out_of_reach(stored.at):
        yield "ended while it is up", f"{ended.reason} at {stored.at:.3f}: {ended.cause}; over at {device.ended}"


def _doubt(case: Case, stored: Stored, device: DeviceCall) -> Iterator[Finding]:
    ended: CallEnded = stored.event
    if not case.faults(case.attempt.at - 1.0, stored.at):
        yield "doubt without a reason", f"{ended.reason}: {ended.cause}; nothing was wrong"
    elif ended.reason is EndReason.UNKNOWN and case.on_phone and device.remembered(stored.at):
        hidden = case.faults(stored.at - 12.0, stored.at, "unplugged", "ailing", "look: no answer")
        # After a step of its clock nobody can tell its call from one of before the order by its age.
        forgotten = case.faults(device.created, stored.at, "phone restarted", "phone clock")
        if not hidden and not forgotten:
            yield "unknown, and the phone knows", f"{ended.cause}; the phone: {device.reason}, {device.ender}"


def _reason(case: Case, ended: CallEnded, device: DeviceCall) -> Iterator[Finding]:
    found = (ended.reason, ended.ended_by)
    right = _right(case, device)
    if found not in right:
        yield "untrue reason", f"{found}, and the phone: {device.reason} by {device.ender}, which is {right}"


def _right(case: Case, device: DeviceCall) -> list[tuple[EndReason | None, str | None]]:
    """What a record may say of an end."""
    unanswered = device.answered is None
    ours: list[tuple[EndReason | None, str | None]] = [
        (EndReason.NO_ANSWER if by == "ring_timeout" and unanswered else EndReason.HANGUP_LOCAL, by)
        for by in case.call.endings
    ]
    match device.ender:
        case Ender.US:
            return ours
        case Ender.HAND:
            return [*ours, (EndReason.HANGUP_LOCAL, "phone" if case.on_phone else "extension")]
        case _:
            remote = (device.reason, "remote" if device.reason in BY_REMOTE else None)
            # A PBX does not say who hung up; and it ends what rings too long itself, by a limit that is our order's.
            blurring = (EndReason.HANGUP_REMOTE, EndReason.NETWORK, EndReason.NO_ANSWER)
            blurred = not case.on_phone and device.reason in blurring
            return [remote, *ours] if blurred or case.unseen() else [remote]


def _seconds(case: Case, stored: Stored, device: DeviceCall) -> Iterator[Finding]:
    ended: CallEnded = stored.event
    assert device.ended is not None
    answered = device.answered if device.answered is not None else device.ended
    talk = device.ended - answered
    least, most = answered - device.created, answered - case.begun
    slack = case.slack(device.created, stored.at)
    off = abs(ended.duration - talk) > slack or not least - slack <= ended.ring_seconds <= most + slack
    if ended.clock_suspect:
        meanwhile = case.faults(case.attempt.at - 1.0, stored.at, "phone clock", "wall clock", "crash", "away", "pause")
        if not meanwhile and not case.small_steps(0.0, stored.at):  # one before a call shows at the first look after it
            yield "suspect without a reason", "nobody set a clock"
        most_talk = stored.at - case.begun + CLOSE
        set_back = case.faults(0.0, stored.at, "wall clock")  # two machines' clocks may differ ever after
        if ended.duration > most_talk and not set_back:
            yield "untrue seconds", f"{ended.duration} s of talk in {most_talk:.1f} s"
    elif case.unseen():
        if ended.ring_seconds + ended.duration > stored.at - case.begun + slack:
            yield "untrue seconds", f"{ended.ring_seconds} + {ended.duration} s is longer than it was on record"
    elif off:
        had = f"{least:.2f} to {most:.2f} + {talk:.2f} s, by {slack:.2f}"
        yield "untrue seconds", f"{ended.ring_seconds} + {ended.duration} s, and the phone: {had}"
