"""What a script does next, from where it stands and what was seen. Pure: no clock, no phone, no waiting.

`begin` and then `advance`, for each thing that comes back, give positions; each has what is asked of the phone now
(`asked`), or the outcome. Keep the position, then carry out what it asks. Who takes over a run begins with `resumed`.

Each step has seconds, each loop times, each run seconds, effects and moves: so a run ends, whatever is seen.
"""

from collections.abc import Mapping

from actors.script import language as say
from actors.script import program as to
from actors.script.effects import (
    AnyEffect,
    Back,
    CloseKeyboard,
    Done,
    Dump,
    Looked,
    NotDone,
    Pause,
    PlaceCall,
    PressKey,
    TapAt,
    TellCall,
)
from actors.script.guard import of_call
from actors.script.moves import Moves, shown
from actors.script.position import Phase, Position, Running, Succeeded
from actors.script.program import Program
from actors.script.selectors import Selector, one, point
from actors.script.steps import (
    BLIND,
    Act,
    Come,
    Found,
    Never,
    NotYet,
    covered,
    dialling,
    first,
    holds,
    in_front,
    look_at,
    needs_look,
)
from actors.script.tree import NotIdle, Seen, Tree
from actors.script.values import LONGEST, NoValue, filled_selector
from bus_schemas.call import EndReason

BETWEEN_LOOKS = 0.5  # seconds
BETWEEN_LOOKS_AT_A_CALL = 1.0
AFTER_NO_LOOK = 0.2  # at a call: it took its time, and the call may be short
EFFECTS = 20_000  # of one run
VALUES = 100_000  # characters of all of a run's: seven bytes each at most, of the million that an event has
MOVES = 20_000  # from one instruction to the next
GAP = 5.0  # without a look, in which a call may be answered and over: some show for 2 s that they were
HANG_UPS = 3  # taps of one call
BEGUN_ANEW = 4  # times: calls of which nothing was tapped, since something had come up before it
SAID = {"busy": EndReason.BUSY, "declined": EndReason.REJECTED, "failed": EndReason.NETWORK}
UNCOVERINGS = 3  # of one step: what comes up meanwhile hides the keyboard from the first
LOOKS_WITHOUT_IT = 2  # after which a call is over: one alone may be of a change
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


def still_placed(program: Program, position: Position, tree: Tree) -> PlaceCall | None:
    """Where a call that was asked for is begun on a screen that was looked at since. None: it is not to be had."""
    if not isinstance(position.asked, PlaceCall):
        return None
    step = getattr(program.instructions[position.at], "step", None)
    try:
        come = look_at(step, tree, position.values, position.count) if isinstance(step, say.Call) else None
    except NoValue:
        return None
    if not isinstance(come, Act) or not isinstance(come.effect, PlaceCall) or dialling(come) is not None:
        return None
    return come.effect if come.effect.number == position.asked.number else None


def running(program: Program, position: Position) -> Running:
    """What people are shown of a run that is under way."""
    instruction = program.instructions[min(position.at, len(program.instructions) - 1)]
    number, at, name = shown(instruction)
    waits = {"again": "trying again", "pop_up": "a pop-up to go", **dict.fromkeys(CALLING, "the call to end")}
    return Running(step=number, steps=program.steps, at=at, waits_for=waits.get(position.phase, name))


class _Turn(Moves):
    """From one position to the next: what comes back, and the steps."""

    # --- what comes in

    def out_of_bounds(self) -> bool:
        """Whether the run has used up what it has; then it has failed."""
        fields, script = self._fields, self._program.script
        uncertain = fields["phase"] in CALLING or (
            fields["phase"] in ("act", "place") and say.after_crash(self._instruction().step) != "repeat"
        )
        if self._now - fields["began"] > script.deadline:
            self._end(f"the script has taken more than {script.deadline:g} s", uncertain=uncertain)
        elif fields["effects"] >= EFFECTS:
            self._end(f"more than {EFFECTS} effects", uncertain=uncertain)
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
                fields.update(step_began=self._now, tries=0, count=0, answered=False, compressed=False,
                              uncovered=0, began_call=False, unseen=0, gone=0.0)  # fmt: skip
                if not self._went(self._begun):
                    return

    def _succeed(self) -> None:
        values, wanted = self._fields["values"], self._program.script.values
        self._over(Succeeded(values={name: values[name] for name in wanted if name in values}))

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
        fields, instruction = self._fields, self._instruction()
        phase = fields["phase"]
        if phase in ("tell", "end"):
            return self._ask(fields["asked"], phase)
        if phase in CALLING:
            fields.update(unseen=0, unsure=True)
            return self._look("talk")
        if phase in ("act", "place"):
            what = say.after_crash(instruction.step)
            if what == "go_on":
                return self._next()
            if what == "fail":
                return self._fail("its host ended meanwhile: nobody knows whether it was done", uncertain=True)
        fields["step_began"] = self._now
        return self._begun()

    def _look(self, phase: Phase = "look") -> bool:
        return self._ask(Dump(compressed=self._fields["compressed"]), phase)

    def _seen(self, back: Looked) -> Tree | None:
        """The screen. None: it was not to be had, so the next look tries it the other way."""
        if isinstance(back.screen, Seen):
            return back.screen.tree
        if isinstance(back.screen, NotIdle):  # the timer of a call never stands still
            self._fields["compressed"] = self._fields["phase"] in CALLING or not self._fields["compressed"]
        return None

    def _looked(self, back: Looked) -> bool:
        """What follows from a look."""
        fields, instruction = self._fields, self._instruction()
        tree = self._seen(back)
        if tree is None:
            return self._later("the screen cannot be read")
        came_up = self._pop_up(tree, "pop_up")
        if came_up is not None:
            return came_up
        about = instruction.step if isinstance(instruction, to.Do) else instruction.when
        if fields["uncovered"] < UNCOVERINGS and covered(about, tree, fields["values"]):
            fields["uncovered"] += 1
            return self._ask(CloseKeyboard(), "pop_up")
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
            if isinstance(step, say.Call):  # another call on record each time
                return self._tried(back.why, say.Retry(times=BEGUN_ANEW if back.changed else 0))
            return self._tried(back.why)
        if isinstance(step, say.Call):
            self._fields.update(step_began=self._now, looked=self._now, unsure=False, compressed=True)
            return self._ask(Pause(seconds=BETWEEN_LOOKS), "talk")
        if isinstance(step, say.Shell) and step.into is not None:
            self._fields["values"][step.into] = back.output.strip()[:LONGEST] if isinstance(back, Done) else ""
        return self._next()

    def _tried(self, why: str, retry: say.Retry | None = None) -> bool:
        """The step has failed without an effect, or may be repeated: once more, or not."""
        instruction, fields = self._instruction(), self._fields
        retry = retry or (instruction.step.retry if isinstance(instruction, to.Do) else say.Retry())
        if fields["tries"] >= retry.times:
            return self._fail(why)
        fields.update(tries=fields["tries"] + 1, count=0, uncovered=0)
        return self._ask(Pause(seconds=max(retry.wait, 0.1)), "again")

    # --- what comes up

    def _pop_up(self, tree: Tree, phase: Phase) -> bool | None:
        """Be rid of what has come up. None: nothing has."""
        values, handled, talking = self._fields["values"], self._fields["handled"], phase == "talk"
        for place, handler in enumerate(self._program.handlers):
            try:
                node = one(filled_selector(handler.on, values), tree)
                wanted = filled_selector(handler.tap, values) if handler.tap is not None else None
            except NoValue:
                continue
            if node is None:
                continue
            if handled.get(str(place), 0) >= handler.most:
                return self._fail(f"`{handler.name}` came up more than {handler.most} times", uncertain=talking)
            if (act := _dismissing(handler, wanted, tree)) is None:
                return self._still(tree) if talking else self._later(f"`{handler.name}` is in the way")
            if (why := dialling(act)) is not None:
                return self._fail(why, uncertain=talking)
            handled[str(place)] = handled.get(str(place), 0) + 1
            return self._ask(act.effect, phase)
        return None

    # --- calls

    def _called(self, back: Back) -> bool:
        """What becomes of a call that was placed."""
        fields, step = self._fields, self._instruction().step
        if fields["phase"] == "end":
            fields["values"]["call"] = self._outcome()
            return self._next()
        if not isinstance(back, Looked):
            if isinstance(fields["asked"], TapAt | PressKey):
                return self._ask(Pause(seconds=BETWEEN_LOOKS), "talk")  # the screen changes
            return self._still(None) if isinstance(fields["asked"], Dump) else self._look("talk")
        tree = self._seen(back)
        if tree is None:
            return self._still(None)
        came_up = self._pop_up(tree, "talk")
        if came_up is not None:
            return came_up
        self._follow(step, tree)
        if fields["began_call"] and self._is_over(step, tree):
            return self._over_now(step, tree)
        if not (fields["answered"] or fields["unseen"] or fields["count"]) and self._shows(step.answered, tree):
            fields["answered"] = True
            return self._ask(TellCall(state="answered"), "tell")
        if fields["began_call"] and any(self._shows(getattr(step, name), tree) for name in ("ended", *SAID)):
            return self._over_now(step, tree)
        return self._still(tree)

    def _over_now(self, step: say.Call, tree: Tree) -> bool:
        """Tell why, where that is seen. It ended when its screen went, which more than one look has told."""
        if step.over is not None or self._fields["unseen"] < LOOKS_WITHOUT_IT:
            self._fields["gone"] = 0.0
        said = next((why for name, why in SAID.items() if self._shows(getattr(step, name), tree)), None)
        if said is not None and not self._fields["answered"]:
            self._fields["unsure"] = False
            return self._ask(TellCall(state="over", reason=said), "end")
        reason = EndReason.UNKNOWN if self._outcome() == "unknown" else None
        return self._ask(TellCall(state="over", reason=reason), "end")

    def _outcome(self) -> str:
        if self._fields["answered"]:
            return "answered"
        return "unknown" if self._fields["unsure"] else "unanswered"

    def _shows(self, selector: Selector | None, tree: Tree) -> bool:
        return selector is not None and one(filled_selector(selector, self._fields["values"]), tree) is not None

    def _follow(self, step: say.Call, tree: Tree) -> None:
        """Whether the call's screen is there. One that we end ourselves was not answered before."""
        fields, there = self._fields, self._shows(step.during, tree)
        if there and not (self._shows(step.over, tree) or self._shows(step.answered, tree)):
            fields.update(looked=self._now, unsure=False)
        elif not (fields["unseen"] or fields["count"]) and self._now - fields["looked"] > GAP:
            fields["unsure"] = True
        self._fields["began_call"] = self._fields["began_call"] or there
        if there or not fields["unseen"]:
            fields["gone"] = 0.0 if there else self._now
        fields["unseen"] = 0 if there else fields["unseen"] + 1

    def _is_over(self, step: say.Call, tree: Tree) -> bool:
        return self._shows(step.over, tree) if step.over is not None else self._fields["unseen"] >= LOOKS_WITHOUT_IT

    def _still(self, tree: Tree | None) -> bool:
        """It is not over: look again in a while, or end it."""
        fields, step = self._fields, self._instruction().step
        lasts = self._now - fields["step_began"]
        if not fields["began_call"] and lasts >= say.DEADLINE:
            return self._fail("its screen does not come: nobody knows whether it was placed", uncertain=True)
        over_time = lasts - step.longest
        if over_time >= say.ENDING:
            return self._fail("the call does not end", uncertain=True)
        if over_time >= 0 and tree is not None and step.hang_up is not None and fields["count"] < HANG_UPS:
            node = one(filled_selector(step.hang_up, fields["values"]), tree)
            place = point(node, tree) if node is not None and of_call(step.app, node) is None else None
            if place is not None:
                fields["count"] += 1
                return self._ask(TapAt(x=place[0], y=place[1]), "hang_up")
        seconds = BETWEEN_LOOKS_AT_A_CALL if fields["began_call"] else BETWEEN_LOOKS
        return self._ask(Pause(seconds=seconds if tree is not None else AFTER_NO_LOOK), "talk")

    # --- what is asked, and the end

    def _ask(self, effect: AnyEffect, phase: Phase) -> bool:
        if self._is_heavy():
            return True
        self._fields.update(asked=effect, phase=phase, effects=self._fields["effects"] + 1)
        return False

    def _is_heavy(self) -> bool:
        """Whether its values are more than can be put on record; then it has failed."""
        fields = self._fields
        held = (fields["values"], *(frame.values or {} for frame in fields["frames"]))
        if sum(len(value) for values in held for value in values.values()) <= VALUES:
            return False
        self._end(f"its values have more than {VALUES:,} characters", uncertain=fields["phase"] in CALLING)
        return True


def _dismissing(handler: say.Handler, wanted: Selector | None, tree: Tree) -> Act | None:
    """What rids of it. None: what is to be tapped is not there."""
    if wanted is None:
        key = handler.key or "back"
        return Act(PressKey(code=say.KEYS[key]), node=None if key in BLIND else in_front(tree))
    node = one(wanted, tree)
    place = point(node, tree) if node is not None else None
    return Act(TapAt(x=place[0], y=place[1]), "pop_up", node) if place is not None else None
