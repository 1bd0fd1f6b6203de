"""What a run of faults comes to, in figures, and the story of whatever was broken."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import msgspec

from simulators.world.judge import Judge, Violation
from simulators.world.records import calls_of
from tests.faults.doors import Doors
from tests.faults.mishaps import Lives, Mishaps
from tests.faults.witness import RealWorld

LOST = frozenset({"acknowledged and not on record", "no terminal event", "no attempt", "no record"})
TWICE = frozenset(
    {"dialled twice", "two attempts", "another answer", "dialled off the record", "dialled after its end"}
)
DOUBLE = frozenset({"too many calls on a line", "two calls on an extension"})
LEAKS = frozenset({"ownerless call", "held", "left over", "ledger differs"})
TOLD = 12  # violations whose story is told
AROUND = 5.0  # seconds


def report(
    world: RealWorld, doors: Doors, mishaps: Mishaps, lives: Lives, foreign: Counter[str], judge: Judge,
    violations: list[Violation],
) -> str:  # fmt: skip
    """Faults, calls and what was broken; everything that is neither lost, twice, double nor a leak is untrue."""
    kinds = Counter(violation.kind for violation in violations)
    untrue = frozenset(kinds) - LOST - TWICE - DOUBLE - LEAKS

    def count(some: frozenset[str]) -> int:
        return sum(times for kind, times in kinds.items() if kind in some)

    starts = [command for command in doors.commands if command.starts]
    lines = [
        "",
        f"{mishaps.done.total()} faults {dict(mishaps.done)}",
        f"{world.now:.0f} s, clocks {world.drift:+.3f} s, host processes begun again {dict(lives.starts)}",
        f"{len(doors.commands)} commands, {len(starts)} starts, "
        f"{sum(command.first is not None for command in starts)} acknowledged, {doors.repeats} repeats, "
        f"{len(calls_of(world.stored))} calls on record, {len(world.book.ordered())} dialled, foreign {dict(foreign)}",
        f"reasons {dict(judge.reasons())}",
        f"{count(LOST)} lost, {count(TWICE)} twice, {count(DOUBLE)} double-booked, "
        f"{count(untrue)} untrue, {count(LEAKS)} leaks: {dict(kinds)}",
    ]
    for violation in violations[:TOLD]:
        lines += [f"- {violation.kind}: {violation.about} {violation.text}", *_story(world, doors, judge, violation)]
    return "\n".join(lines)


def _story(world: RealWorld, doors: Doors, judge: Judge, violation: Violation) -> Iterator[str]:
    """Everything about the call of a violation, by time."""
    call = judge.calls.get(violation.about)
    numbers = {violation.about} | ({call.dialing.event.number} if call and call.dialing else set())
    line = call.dialing.event.line if call and call.dialing else ""
    entries: list[tuple[float, str]] = []
    for one in call.events if call else ():
        entries.append((one.at, f"journal {one.subject.rsplit('.', 1)[1]} {msgspec.json.encode(one.event).decode()}"))
    for device in (device for device in world.book.calls if device.number in numbers):
        entries.append((device.created, f"device {asdict(device)}"))
    for command in doors.commands:
        about = {getattr(command.request, "call_id", ""), getattr(command.first, "call_id", ""), command.number}
        if about & (numbers - {""}):
            entries += [
                (answer.at, f"{command.id} asked {answer.asked:.3f}: {answer.reply or answer.refusal!r}")
                for answer in command.answers
            ]
    if entries:
        first, last = min(at for at, _ in entries) - AROUND, max(at for at, _ in entries) + AROUND
        entries += [
            (fault.start, f"fault {fault.kind} {fault.target} until {fault.end}")
            for fault in world.book.faults
            if fault.touches(first, last) and fault.target in ("bus", "pbx", "host a", "host b", line)
        ]
    for at, text in sorted(entries):
        yield f"    {at:9.3f} {text}"
