"""What happened in a simulated world around one call, for people: journal, phone, faults, commands, logs in order."""

from simulators.world.callers import Command
from simulators.world.records import Stored, read
from simulators.world.world import HOST_OF, World

BEFORE, AFTER = 8.0, 15.0  # seconds around it that are shown


class Timeline:
    """The story of one world, told on demand."""

    def __init__(self, world: World, commands: list[Command]) -> None:
        self._book = world.book
        self._stored: list[Stored] = read(world.broker.journal)
        self._commands = commands
        self._raw = tuple((entry.subject, entry.data, entry.at) for entry in world.broker.journal)

    @property
    def trace(self) -> tuple[object, ...]:
        """Everything that has to be the same when the seed is played again."""
        return (self._raw, tuple((call.ref, call.number, call.created, call.ended) for call in self._book.calls))

    def about(self, what: str) -> str:
        """The lines around a call (by id or number), or around everything where `what` names none."""
        calls = [one for one in self._stored if one.subject.startswith("ottb.v1.evt.call.")]
        mine = [one for one in calls if what and what in (one.event.call_id, getattr(one.event, "number", ""))]
        mine = [one for one in calls if one.event.call_id in {each.event.call_id for each in mine}]
        number = next((one.event.number for one in mine if hasattr(one.event, "number")), what)
        call_id = next((one.event.call_id for one in mine), what)
        line = next((one.event.line for one in mine), what)
        over = next((one.at for one in mine if one.subject.endswith(".ended")), 1e9)
        times = [one.at for one in mine if one.at <= over]
        times += [call.created for call in self._book.calls if call.number == number]
        start, end = (min(times) - BEFORE, max(times) + AFTER) if times else (0.0, 1e9)
        targets = {"bus", line, f"host {HOST_OF.get(line, '')}", *(["pbx"] if line.startswith("trunk") else [])}
        rows = self._events(call_id, line) + self._calls(line) + self._asked(call_id, number)
        rows += [(one.start, f"!! {one.kind} of {one.target} until {one.end}") for one in self._book.faults
                 if one.target in targets or not times]  # fmt: skip
        rows += [(at, f"   {text}") for at, text in self._book.notes]
        shown = sorted(row for row in rows if start <= row[0] <= end)
        return "\n".join(f"{at:10.3f}  {text}" for at, text in shown)

    def _events(self, call_id: str, line: str) -> list[tuple[float, str]]:
        kind, _, id = line.partition("-")
        rows = []
        for one in self._stored:
            if f".{call_id}." in one.subject or f".{line}." in one.subject or f".{kind}.{id}." in one.subject:
                more = {
                    name: getattr(one.event, name)
                    for name in ("number", "by", "host", "epoch", "reason", "cause", "duration", "ring_seconds",
                                 "ended_by", "ref", "status", "call_id")
                    if hasattr(one.event, name)
                }  # fmt: skip
                rows.append((one.at, f"#{one.seq} {one.subject.removeprefix('ottb.v1.evt.')} {more}"))
        return rows

    def _calls(self, line: str) -> list[tuple[float, str]]:
        rows = []
        for call in self._book.calls:
            if call.line == line:
                name = f"<> {call.source} {call.ref} {call.number}"
                rows.append((call.created, f"{name} dialled" if call.source == "order" else f"{name} begins"))
                rows += [(at, f"{name} {what}") for at, what in ((call.rung, "rings"), (call.answered, "answered"))
                         if at is not None]  # fmt: skip
                if call.ended is not None:
                    rows.append((call.ended, f"{name} over: {call.reason} by {call.ender}"))
        return rows

    def _asked(self, call_id: str, number: str) -> list[tuple[float, str]]:
        rows = []
        for command in self._commands:
            if call_id in (getattr(command.first, "call_id", ""), getattr(command.request, "call_id", "")) or (
                number and command.number == number
            ):
                for answer in command.answers:
                    rows.append((answer.asked, f"?? {command.id} {command.request}"))
                    said = answer.refusal if answer.refusal is not None else answer.reply
                    rows.append((answer.at, f"== {command.id} {said!r}"[:200]))
        return rows
