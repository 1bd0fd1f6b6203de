"""Whatever a phone shows and answers, and however often hosts end: a run ends within its bounds, nothing is done twice
that may not be, and nothing dials."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from actors.script import engine
from actors.script import language as say
from actors.script.effects import Back, Done, Dump, Looked, NotDone, OpenLink, Pause, PlaceCall, PressKey, RunCommand
from actors.script.language import Condition, Handler, Needs, Script
from actors.script.position import Failed, Position, Succeeded
from actors.script.program import Do, program
from actors.script.selectors import Selector
from actors.script.steps import Act, dialling
from actors.script.tree import Crashed, NotIdle, Seen, Unreadable
from tests.script.runs import kept
from tests.script.screens import drawn, screen
from tests.support.depth import examples

DEADLINE = 200.0
TEXTS = ("a", "b", "c", "${v}", "${x}")
SELECTORS = st.sampled_from([Selector(text=text) for text in TEXTS] + [Selector(text=["b", "c"], index=-1)])
CONDITIONS = st.one_of(
    SELECTORS.map(lambda one: Condition(seen=one)), SELECTORS.map(lambda one: Condition(unseen=one)),
    st.sampled_from(TEXTS).map(lambda text: Condition(value=text, equals=["a", "${x}"])),
)  # fmt: skip
COMMON = st.fixed_dictionaries(
    {},
    optional={
        "after_crash": st.sampled_from(["repeat", "go_on", "fail"]), "deadline": st.sampled_from([1.0, 5.0, 30.0]),
        "retry": st.builds(say.Retry, times=st.integers(0, 3), wait=st.sampled_from([0.0, 1.0])),
    },
)  # fmt: skip


def made(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(COMMON, st.fixed_dictionaries(fields)).map(lambda both: kind(**both[0], **both[1]))


LEAVES = st.one_of(
    made(say.Tap, on=SELECTORS), made(say.LongPress, on=SELECTORS), made(say.Clear, on=SELECTORS),
    made(say.Type, text=st.sampled_from(TEXTS), on=st.none() | SELECTORS), made(say.WaitFor, on=SELECTORS),
    made(say.WaitFor, gone=SELECTORS), made(say.Key, key=st.sampled_from(["home", "call", "enter"])),
    made(say.Swipe, direction=st.just("up"), on=st.none() | SELECTORS),
    made(say.ScrollUntil, on=SELECTORS, most=st.integers(1, 3)), made(say.Wait, seconds=st.sampled_from([0.1, 5.0])),
    made(say.Assert, when=CONDITIONS, message=st.just("m")), made(say.Screenshot, label=st.just("s")),
    made(say.Extract, into=st.just("v"), on=SELECTORS, pattern=st.none() | st.just("[ab]")),
    made(say.Launch, app=st.sampled_from(["a.b", "com.android.dialer", "${x}"])),
    made(say.Open, link=st.sampled_from(["https://a.b/${x}", "tel:${x}", "${x}:1"])),
    made(say.Shell, command=st.sampled_from([["svc", "wifi", "enable"], ["input", "keyevent", "5"], ["am", "${x}"]])),
    made(say.Ussd, code=st.sampled_from(["*111#", "*100#", "${x}"])),
    made(say.Call, app=st.just("an.app"), number=st.just("${x}"), on=SELECTORS, during=SELECTORS, answered=SELECTORS,
         hang_up=SELECTORS, longest=st.sampled_from([1.0, 10.0])),
)  # fmt: skip


@st.composite
def leaf(draw: st.DrawFn) -> Any:
    """One of them, under a name: Hypothesis writes out all that a recursive strategy begins with, in 41 kB."""
    return draw(LEAVES)


STEPS = st.recursive(
    st.lists(leaf(), min_size=1, max_size=3),
    lambda inner: st.lists(
        leaf()
        | st.builds(say.If, when=CONDITIONS, then=inner, otherwise=inner)
        | st.builds(say.Repeat, most=st.integers(1, 3), steps=inner, until=st.none() | CONDITIONS)
        | st.builds(say.ForEach, into=st.just("v"), of=st.just(["a", "${x}"]), steps=inner)
        | st.builds(say.Try, steps=inner, on_failure=inner),
        min_size=1, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip
HANDLER = Handler(name="h", on=Selector(id="permission_message"), tap=Selector(text="Allow"), most=2)
AB = drawn(("a", (0, 0, 100, 100)), ("b", (0, 200, 100, 300)))
SCREENS = [Seen(AB), Seen(drawn(("c", (0, 0, 9, 9)), ("b", (0, 200, 9, 300)))), Seen(screen("permission_11_en")),
           Seen(screen("dialler_pixel_12_en")), NotIdle(), Crashed(), Unreadable("x"), Seen(drawn())]  # fmt: skip
ANSWERS = st.sampled_from([Done(), Done(), Done(), Done("a"), NotDone("no"), NotDone("perhaps", maybe=True),
                           NotDone("not there any more", changed=True)])  # fmt: skip
SHOWN = st.sampled_from(SCREENS)
# What happens to what is asked: it is done and heard of; the host ends before it is done, or after.
FATES = st.sampled_from(["heard", "heard", "heard", "heard", "before", "after"])


class Judge:
    """Counts what was done, each time that the run came to a step by itself, and looks at each effect."""

    def __init__(self, steps: list[Any]) -> None:
        script = Script(name="s", version=1, summary="s", steps=steps, handlers=[HANDLER], deadline=DEADLINE,
                        needs=Needs(apps=["an.app"], ussd=["*111#"]))  # fmt: skip
        self.program = program(script, {}, frozenset({"*111#", "*100#"}))
        self.done: Counter[tuple[Any, ...]] = Counter()

    def sees(self, position: Position) -> None:
        """What is asked is being done."""
        asked = position.asked
        assert asked is not None
        if position.phase in ("act", "place", "scroll"):
            assert dialling(Act(asked)) is None  # whatever it touches
            assert not isinstance(asked, PressKey) or asked.code not in (5, 79)
            assert not isinstance(asked, OpenLink) or asked.link.startswith("https://a.b/")
            assert not isinstance(asked, RunCommand) or asked.words == ("svc", "wifi", "enable")
        if position.phase in ("act", "place"):
            step = self._step(position)
            visit = (position.at, tuple((frame.kind, frame.count) for frame in position.frames))
            self.done[visit] += 1
            if say.after_crash(step) != "repeat":
                assert self.done[visit] == 1, f"{say.kind(step)} was done twice"
            assert isinstance(asked, PlaceCall) == (position.phase == "place")

    def undone(self, position: Position) -> None:
        """It is certain that what was asked was not done."""
        if position.phase in ("act", "place"):
            visit = (position.at, tuple((frame.kind, frame.count) for frame in position.frames))
            self.done[visit] -= 1

    def _step(self, position: Position) -> Any:
        instruction = self.program.instructions[position.at]
        assert isinstance(instruction, Do)
        return instruction.step


@settings(max_examples=examples(2000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, data=st.data(), values=st.fixed_dictionaries({"x": st.sampled_from(["a", "tel", "*111#", "5"])}))
def test_a_run_ends_and_does_nothing_twice(steps: list[Any], data: st.DataObject, values: dict[str, str]) -> None:
    judge, now = Judge(steps), 1000.0
    position = engine.begin(judge.program, values, now)
    turns = 0
    while position.outcome is None:
        turns += 1
        assert turns < 4000, "it does not end"
        asked = position.asked
        assert asked is not None
        fate = data.draw(FATES) if turns < 150 else "heard"
        back: Back = Done()
        if fate != "before":
            if isinstance(asked, Dump):
                back = Looked(data.draw(SHOWN) if turns < 150 else SCREENS[turns % len(SCREENS)])
            elif not isinstance(asked, Pause):
                back = data.draw(ANSWERS) if turns < 150 else Done()
                judge.sees(position)
                if isinstance(back, NotDone) and not back.maybe:
                    judge.undone(position)
        now += asked.seconds if isinstance(asked, Pause) else 0.2
        if fate == "heard":
            position = kept(engine.advance(judge.program, position, back, now))
        else:
            position = kept(engine.resumed(judge.program, position, now + 3))
        assert position.effects <= engine.EFFECTS and position.moves <= engine.MOVES + 1
    assert isinstance(position.outcome, Succeeded | Failed) and position.asked is None
    event(type(position.outcome).__name__)
