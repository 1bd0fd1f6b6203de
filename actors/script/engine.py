"""What a script does next, from where it stands and what was seen. Pure: no clock, no phone, no waiting.

`begin` and then `advance`, for each thing that comes back, give positions; each has what is asked of the phone now
(`asked`), or the outcome. Keep the position, then carry out what it asks. Who takes over a run begins with `resumed`.

Each step has seconds, each loop times, each run seconds, effects and moves: so a run ends, whatever is seen.
"""

from collections.abc import Callable, Mapping
from typing import Any

from actors.script import language as say
from actors.script import program as to
from actors.script.effects import AnyEffect, Back, Done, Dump, Looked, NotDone, Pause, PressKey, TapAt, TellCall
from actors.script.position import Failed, Frame, Phase, Position, Running, Succeeded
from actors.script.program import Program
from actors.script.selectors import Selector, one, point
from actors.script.steps import (
    BLIND,
    Act,
    Come,
    Found,
    Never,
    NotYet,
    dialling,
    first,
    holds,
    in_front,
    look_at,
    needs_look,
)
from actors.script.tree import NotIdle, Seen, Tree
from actors.script.values import LONGEST, NoValue, bound, filled, filled_selector
from bus_schemas.errors import Refusal

BETWEEN_LOOKS = 0.5  # seconds
BETWEEN_LOOKS_AT_A_CALL = 1.0
EFFECTS = 20_000  # of one run
MOVES = 20_000  # from one instruction to the next
HANG_UPS = 3  # taps of one call
CALLING = frozenset({"talk", "tell", "hang_up", "end"})


def begin(program: Program, values: Mapping[str, str], now: float) -> Position:
    """The start of a run, with parameters that were bound (`values.bound`)."""
    turn = _Turn(program, Position(began=now, values=dict(values)), now)
    turn.enter()
    return turn.position()


def advance(program: Program, position: Position, back: Back, now: float) -> Position:
    """Where it stands after what was asked has come back. A run that is over stays so."""
    if position.outcome is not None:
        return position
    turn = _Turn(program, position, now)
    if not turn.out_of_bounds():
        turn.take(back)
    return turn.position()


def resumed(program: Program, position: Position, now: float) -> Position:
    """Where it stands for a host that takes over, and does not know whether what was asked was done: looks are asked
    anew; a step's own effect is repeated only if it may be."""
    if position.outcome is not None:
        return position
    turn = _Turn(program, position, now)
    if not turn.out_of_bounds():
        turn.take_over()
    return turn.position()


def running(program: Program, position: Position) -> Running:
    """What people are shown of a run that is under way."""
    instruction = program.instructions[min(position.at, len(program.instructions) - 1)]
    number, at, name = _shown(instruction)
    waits = {"again": "trying again", "pop_up": "a pop-up to go", **dict.fromkeys(CALLING, "the call to end")}
    return Running(step=number, steps=program.steps, at=at, waits_for=waits.get(position.phase, name))


def _shown(instruction: Any) -> tuple[int, str, str]:
    """Number, place and name of what an instruction stands for."""
    step = getattr(instruction, "step", None)
    name = step.name or say.kind(step) if step is not None else type(instruction).__name__.lower()
    return getattr(instruction, "number", 0), getattr(instruction, "at", ""), name


class _Turn:
    """From one position to the next. What it does not change stays."""

    def __init__(self, program: Program, position: Position, now: float) -> None:
        self._program = program
        self._now = now
        self._fields: dict[str, Any] = {name: getattr(position, name) for name in Position.__struct_fields__}
        self._fields["values"] = dict(position.values)
        self._fields["handled"] = dict(position.handled)

    def position(self) -> Position:
        """The next one."""
        return Position(**self._fields)

    # --- what comes in

    def out_of_bounds(self) -> bool:
        """Whether the run has used up what it has; then it has failed."""
        fields, script = self._fields, self._program.script
        if self._now - fields["began"] > script.deadline:
            self._end(f"the script has taken more than {script.deadline:g} s")
        elif fields["effects"] >= EFFECTS:
            self._end(f"more than {EFFECTS} effects")
        return fields["outcome"] is not None

    def take(self, back: Back) -> None:
        """Go on with what came back."""
        if self._went(lambda: self._took(back)):
            self.enter()

    def take_over(self) -> None:
        """Go on without knowing what came back."""
        if self._went(self._taken_over):
            self.enter()

    def enter(self) -> None:
        """Begin with the instruction that it stands at, and go on until something is asked or the run is over."""
        fields = self._fields
        while fields["outcome"] is None:
            fields["moves"] += 1
            if fields["at"] >= len(self._program.instructions):
                self._succeed()
            elif fields["moves"] > MOVES:
                self._end(f"more than {MOVES} moves")
            elif not self._went(self._moved):
                fields.update(step_began=self._now, tries=0, count=0, answered=False, compressed=False)
                if not self._went(self._begun):
                    return

    def _went(self, way: Callable[[], bool]) -> bool:
        """Go that way; a step that needs a value that is not there has failed."""
        try:
            return way()
        except NoValue as error:
            return self._fail(str(error))

    def _succeed(self) -> None:
        values, wanted = self._fields["values"], self._program.script.values
        self._over(Succeeded(values={name: values[name] for name in wanted if name in values}))

    # --- instructions: each True where the run goes on with the one that it then stands at

    def _instruction(self) -> Any:
        return self._program.instructions[self._fields["at"]]

    def _next(self) -> bool:
        self._fields["at"] += 1
        return True

    def _moved(self) -> bool:
        """Carry out what needs no phone. False: it is something else."""
        fields, instruction = self._fields, self._instruction()
        match instruction:
            case to.Jump():
                fields["at"] = instruction.to
                return True
            case to.Count():
                self._push(Frame(kind="loop"))
            case to.Guarded():
                self._push(Frame(kind="try", at=instruction.handler))
            case to.Unguarded():
                self._pop()
            case to.Enter():
                return self._entered(instruction)
            case to.Leave():
                inner, outer = fields["values"], dict(self._pop().values or {})
                fields["values"] = {**outer, **{name: inner[name] for name in instruction.values if name in inner}}
            case to.Each():
                return self._each(instruction)
            case to.Until() if instruction.when is None:
                return self._around(instruction, so=False)
            case _:
                return False
        return self._next()

    def _push(self, frame: Frame) -> None:
        self._fields["frames"] = (*self._fields["frames"], frame)

    def _pop(self) -> Frame:
        *rest, last = self._fields["frames"]
        self._fields["frames"] = tuple(rest)
        frame: Frame = last
        return frame

    def _entered(self, instruction: to.Enter) -> bool:
        values = self._fields["values"]
        given = {name: filled(text, values) for name, text in instruction.params.items()}
        try:
            inner = bound(instruction.script, given, lambda raw, _: raw)
        except Refusal as error:
            return self._fail(error.message)
        self._push(Frame(kind="script", values=values))
        self._fields["values"] = inner
        return self._next()

    def _each(self, instruction: to.Each) -> bool:
        fields, frame = self._fields, self._pop()
        if frame.count == len(instruction.of):
            fields["at"] = instruction.out
            return True
        fields["values"][instruction.into] = filled(instruction.of[frame.count], fields["values"])
        self._push(Frame(kind="loop", count=frame.count + 1))
        return self._next()

    def _around(self, instruction: to.Until, *, so: bool) -> bool:
        """The head of a loop: out of it, or once more."""
        frame = self._pop()
        if so or (frame.count == instruction.most and instruction.when is None):
            self._fields["at"] = instruction.out
            return True
        if frame.count == instruction.most:
            return self._fail(f"it is still not so after {instruction.most} times")
        self._push(Frame(kind="loop", count=frame.count + 1))
        return self._next()

    def _decided(self, *, so: bool) -> bool:
        """What follows from a condition that was asked."""
        instruction = self._instruction()
        if isinstance(instruction, to.Until):
            return self._around(instruction, so=so)
        self._fields["at"] = self._fields["at"] + 1 if so else instruction.otherwise
        return True

    # --- steps: each True where the run goes on with another instruction, False where something is asked

    def _begun(self) -> bool:
        """Begin with the step, or with a condition."""
        instruction = self._instruction()
        if not isinstance(instruction, to.Do):
            if instruction.when.value is None:
                return self._look()
            return self._decided(so=holds(instruction.when, None, self._fields["values"]))
        if needs_look(instruction.step):
            return self._look()
        return self._come(first(instruction.step, self._fields["values"], self._codes(instruction)))

    def _codes(self, instruction: to.Do) -> frozenset[str]:
        return self._program.ussd & frozenset(instruction.codes)

    def _took(self, back: Back) -> bool:
        phase = self._fields["phase"]
        if phase == "again":
            self._fields["step_began"] = self._now
            return self._begun()
        if phase in CALLING:
            return self._called(back)
        if phase in ("act", "place"):
            return self._acted(back)
        if phase == "look" and isinstance(back, Looked):
            return self._looked(back)
        if phase == "scroll":
            return self._ask(Pause(seconds=BETWEEN_LOOKS), "pause")
        return self._look()

    def _taken_over(self) -> bool:
        phase, instruction = self._fields["phase"], self._instruction()
        if phase in ("tell", "end"):
            return self._ask(self._fields["asked"], phase)
        if phase in CALLING:
            return self._ask(Dump(), "talk")
        if phase in ("act", "place"):
            what = say.after_crash(instruction.step)
            if what == "go_on":
                return self._next()
            if what == "fail":
                return self._fail("its host ended meanwhile: nobody knows whether it was done", uncertain=True)
        self._fields["step_began"] = self._now
        return self._begun()

    def _look(self) -> bool:
        return self._ask(Dump(compressed=self._fields["compressed"]), "look")

    def _looked(self, back: Looked) -> bool:
        """What follows from a look."""
        fields, instruction = self._fields, self._instruction()
        if not isinstance(back.screen, Seen):
            fields["compressed"] = isinstance(back.screen, NotIdle) and not fields["compressed"]
            return self._later("the screen cannot be read")
        tree = back.screen.tree
        came_up = self._pop_up(tree)
        if came_up is not None:
            return came_up
        if not isinstance(instruction, to.Do):
            return self._decided(so=holds(instruction.when, tree, fields["values"]))
        return self._come(look_at(instruction.step, tree, fields["values"], fields["count"]))

    def _come(self, come: Come) -> bool:
        """Do what a step comes to."""
        if isinstance(come, NotYet):
            return self._later(come.why)
        if isinstance(come, Never):
            return self._tried(come.why)
        if isinstance(come, Found):
            self._fields["values"].update(come.values)
            return self._next()
        if (why := dialling(come)) is not None:
            return self._fail(why)
        self._fields["count"] += come.phase == "scroll"
        return self._ask(come.effect, come.phase)

    def _later(self, why: str) -> bool:
        """Look again in a while, as long as there is time."""
        instruction = self._instruction()
        seconds = say.deadline(instruction.step) if isinstance(instruction, to.Do) else say.DEADLINE
        if self._now - self._fields["step_began"] >= seconds:
            return self._tried(f"{why} (after {seconds:g} s)")
        return self._ask(Pause(seconds=BETWEEN_LOOKS), "pause")

    def _acted(self, back: Back) -> bool:
        """What follows from the step's own effect."""
        step = self._instruction().step
        if isinstance(back, NotDone):
            if back.maybe and say.after_crash(step) != "repeat":
                return self._fail(f"{back.why}: nobody knows whether it was done", uncertain=True)
            return self._tried(back.why)
        if isinstance(step, say.Call):
            self._fields["step_began"] = self._now
            return self._ask(Dump(), "talk")
        if isinstance(step, say.Shell) and step.into is not None:
            self._fields["values"][step.into] = back.output.strip()[:LONGEST] if isinstance(back, Done) else ""
        return self._next()

    def _tried(self, why: str) -> bool:
        """The step has failed without an effect, or may be repeated: once more, or not."""
        instruction, fields = self._instruction(), self._fields
        retry = instruction.step.retry if isinstance(instruction, to.Do) else say.Retry()
        if fields["tries"] >= retry.times:
            return self._fail(why)
        fields.update(tries=fields["tries"] + 1, count=0)
        return self._ask(Pause(seconds=max(retry.wait, 0.1)), "again")

    # --- what comes up

    def _pop_up(self, tree: Tree) -> bool | None:
        """Be rid of what has come up. None: nothing has."""
        values, handled = self._fields["values"], self._fields["handled"]
        for place, handler in enumerate(self._program.handlers):
            try:
                node = one(filled_selector(handler.on, values), tree)
                wanted = filled_selector(handler.tap, values) if handler.tap is not None else None
            except NoValue:
                continue
            if node is None:
                continue
            if handled.get(str(place), 0) >= handler.most:
                return self._fail(f"`{handler.name}` came up more than {handler.most} times")
            if (act := _dismissing(handler, wanted, tree)) is None:
                return self._later(f"`{handler.name}` is in the way")
            if (why := dialling(act)) is not None:
                return self._fail(why)
            handled[str(place)] = handled.get(str(place), 0) + 1
            return self._ask(act.effect, "pop_up")
        return None

    # --- calls

    def _called(self, back: Back) -> bool:
        """What becomes of a call that was placed."""
        fields, step = self._fields, self._instruction().step
        if fields["phase"] == "end":
            fields["values"]["call"] = "answered" if fields["answered"] else "unanswered"
            return self._next()
        if not isinstance(back, Looked):
            return self._still(None) if isinstance(fields["asked"], Dump) else self._ask(Dump(), "talk")
        if not isinstance(back.screen, Seen):
            return self._still(None)
        tree = back.screen.tree
        if one(filled_selector(step.over, fields["values"]), tree) is not None:
            return self._ask(TellCall(state="over"), "end")
        wanted = filled_selector(step.answered, fields["values"]) if step.answered is not None else None
        if not fields["answered"] and wanted is not None and one(wanted, tree) is not None:
            fields["answered"] = True
            return self._ask(TellCall(state="answered"), "tell")
        return self._still(tree)

    def _still(self, tree: Tree | None) -> bool:
        """It is not over: look again in a while, or end it."""
        fields, step = self._fields, self._instruction().step
        over_time = self._now - fields["step_began"] - step.longest
        if over_time >= say.DEADLINE:
            return self._fail("the call does not end")
        if over_time >= 0 and tree is not None and step.hang_up is not None and fields["count"] < HANG_UPS:
            node = one(filled_selector(step.hang_up, fields["values"]), tree)
            if node is not None and (place := point(node, tree)) is not None:
                fields["count"] += 1
                return self._ask(TapAt(x=place[0], y=place[1]), "hang_up")
        return self._ask(Pause(seconds=BETWEEN_LOOKS_AT_A_CALL), "talk")

    # --- what is asked, and the end

    def _ask(self, effect: AnyEffect, phase: Phase) -> bool:
        self._fields.update(asked=effect, phase=phase, effects=self._fields["effects"] + 1)
        return False

    def _fail(self, why: str, *, uncertain: bool = False) -> bool:
        """The step has failed: on with the `try` that it is in, or it was the run's end."""
        fields = self._fields
        failed = self._failed(why, uncertain=uncertain)
        while fields["frames"]:
            frame = self._pop()
            if frame.kind == "script":
                fields["values"] = dict(frame.values or {})
            if frame.kind == "try":
                fields["values"]["error"] = why[:LONGEST]
                fields["at"] = frame.at
                return True
        return self._over(failed)

    def _end(self, why: str) -> None:
        """The run has failed, whatever it is in."""
        self._over(self._failed(why))

    def _failed(self, why: str, *, uncertain: bool = False) -> Failed:
        number, at, name = _shown(self._instruction())
        return Failed(number=number, at=at, step=name, reason=why[:LONGEST], uncertain=uncertain)

    def _over(self, outcome: Succeeded | Failed) -> bool:
        self._fields.update(outcome=outcome, asked=None)
        return True


def _dismissing(handler: say.Handler, wanted: Selector | None, tree: Tree) -> Act | None:
    """What rids of it. None: what is to be tapped is not there."""
    if wanted is None:
        key = handler.key or "back"
        return Act(PressKey(code=say.KEYS[key]), node=None if key in BLIND else in_front(tree))
    node = one(wanted, tree)
    place = point(node, tree) if node is not None else None
    return Act(TapAt(x=place[0], y=place[1]), "pop_up", node) if place is not None else None
