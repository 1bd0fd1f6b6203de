"""What a script does next: each kind of step, what fails, what is tried again, and who takes over."""

from typing import Any

import pytest

from actors.script import engine
from actors.script.effects import (
    AnyEffect,
    ClearField,
    Done,
    Dump,
    InputText,
    LaunchApp,
    Looked,
    NotDone,
    OpenLink,
    Pause,
    PlaceCall,
    PressAt,
    PressKey,
    RunCommand,
    SendUssd,
    SwipeOver,
    TakeScreenshot,
    TapAt,
    TellCall,
)
from actors.script.position import Failed, Succeeded
from actors.script.tree import NotIdle, Seen, Tree
from bus_schemas.call import EndReason
from tests.script.runs import Run
from tests.script.screens import drawn, screen
from tests.script.scripts import script

A, B, FIELD = ("a", (0, 0, 100, 100)), ("b", (0, 200, 100, 300)), ("field", (0, 400, 100, 500))
AB = drawn(A, B, FIELD)
TAP_A, TAP_B = TapAt(x=50, y=50), TapAt(x=50, y=250)
PARAMS = '[params.x]\ntype = "text"\nsummary = "x"\n'


def one(step: str, head: str = "", **more: Any) -> Run:
    """A run of one step."""
    return Run(script(f"[[steps]]\n{step}\n", head, **more), {"x": "1 2"})


def played(step: str, tree: Tree = AB, head: str = "") -> tuple[list[AnyEffect], Any]:
    run = one(step, head)
    outcome = run.play(lambda _: tree).outcome
    return run.effects, outcome


@pytest.mark.parametrize(
    ("step", "effects"),
    [
        ('do = "launch"\napp = "a.b"\nfresh = true', [LaunchApp(app="a.b", fresh=True)]),
        ('do = "open"\nlink = "tg://resolve?phone=${x}"', [OpenLink(link="tg://resolve?phone=1%202")]),
        ('do = "wait_for"\non = { text = "a" }', []),
        ('do = "wait_for"\ngone = { text = "c" }', []),
        ('do = "tap"\non = { text = "b" }', [TAP_B]),
        ('do = "long_press"\non = { text = "a" }\nseconds = 2', [PressAt(x=50, y=50, seconds=2)]),
        ('do = "swipe"\ndirection = "left"', [SwipeOver(x=800, y=1000, to_x=200, to_y=1000, seconds=0.3)]),
        ('do = "swipe"\ndirection = "down"\non = { text = "a" }\nshare = 0.5',
         [SwipeOver(x=50, y=25, to_x=50, to_y=75, seconds=0.3)]),
        ('do = "type"\ntext = "№${x}"\nsecret = true', [InputText(text="№1 2", secret=True)]),
        ('do = "type"\ntext = "y"\non = { text = "field" }', [InputText(text="y", x=50, y=450)]),
        ('do = "clear"\non = { text = "field" }', [ClearField(x=50, y=450, signs=5)]),
        ('do = "key"\nkey = "back"', [PressKey(code=4)]),
        ('do = "scroll_until"\non = { text = "a" }', []),
        ('do = "wait"\nseconds = 3', []),
        ('do = "assert"\nwhen = { seen = { text = "a" } }\nmessage = "m"', []),
        ('do = "assert"\nwhen = { value = "${x}", matching = "^[0-9] [0-9]$" }\nmessage = "m"', []),
        ('do = "screenshot"\nlabel = "s"', [TakeScreenshot(label="s")]),
        ('do = "shell"\ncommand = ["svc", "wifi", "enable"]', [RunCommand(words=("svc", "wifi", "enable"))]),
        ('do = "if"\nwhen = { seen = { text = "a" } }\nthen = [{ do = "key", key = "up" }]', [PressKey(code=19)]),
        ('do = "if"\nwhen = { unseen = { text = "a" } }\nthen = [{ do = "key", key = "up" }]\n'
         'else = [{ do = "key", key = "down" }]', [PressKey(code=20)]),
        ('do = "if"\nwhen = { value = "${x}", equals = ["9", "${x}"] }\nthen = [{ do = "key", key = "up" }]',
         [PressKey(code=19)]),
        ('do = "repeat"\nmost = 3\nsteps = [{ do = "key", key = "up" }]', [PressKey(code=19)] * 3),
        ('do = "repeat"\nmost = 3\nuntil = { seen = { text = "a" } }\nsteps = [{ do = "key", key = "up" }]', []),
        ('do = "for_each"\ninto = "t"\nof = ["q", "${x}"]\nsteps = [{ do = "type", text = "<${t}>" }]',
         [InputText(text="<q>"), InputText(text="<1 2>")]),
    ],
)  # fmt: skip
def test_each_kind_of_step_comes_to_its_effect(step: str, effects: list[AnyEffect]) -> None:
    assert played(step, head=PARAMS) == (effects, Succeeded(values={}))


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ('do = "tap"\non = { text = "c" }', "there is no `c` on the screen (after 15 s)"),
        ('do = "tap"\non = { text = "c" }\ndeadline = 2', "(after 2 s)"),
        ('do = "wait_for"\ngone = { text = "a" }', "it is still there"),
        ('do = "assert"\nwhen = { seen = { text = "c" } }\nmessage = "my words"', "my words"),
        ('do = "assert"\nwhen = { value = "a", equals = "b" }\nmessage = "my words"', "my words"),
        ('do = "fail"\nmessage = "my words"', "my words"),
        ('do = "scroll_until"\non = { text = "c" }\nmost = 2', "no `c` after scrolling 2 times"),
        ('do = "extract"\ninto = "v"\non = { text = "a" }\npattern = "[0-9]+"', "does not fit the pattern"),
        ('do = "extract"\ninto = "v"\nvalue = "a"\npattern = "[0-9]+"', "does not fit the pattern"),
        ('do = "repeat"\nmost = 2\nuntil = { seen = { text = "c" } }\nsteps = [{ do = "key", key = "up" }]',
         "still not so after 2 times"),
    ],
)  # fmt: skip
def test_a_step_that_does_not_come_to_be_fails_with_its_reason(step: str, reason: str) -> None:
    _, outcome = played(step)
    assert isinstance(outcome, Failed) and reason in outcome.reason and not outcome.uncertain
    assert outcome.at == "steps[0]"


def test_values_are_extracted_and_given_back() -> None:
    about = script(
        '[[steps]]\ndo = "extract"\ninto = "imei"\non = { id = "summary", '
        'below = { text_containing = "IMEI (sim slot 1)" } }\npattern = "[0-9]{15}"\n'
        '[[steps]]\ndo = "extract"\ninto = "last"\nvalue = "${imei}"\npattern = "(.)$"\n',
        'values = ["imei", "last"]\n',
    )
    assert Run(about).play(lambda _: screen("about_12_en")).outcome == Succeeded(
        values={"imei": "356938035643809", "last": "9"}
    )


def test_what_a_command_prints_is_a_value() -> None:
    run = one('do = "shell"\ncommand = ["getprop", "a"]\ninto = "v"', 'values = ["v"]\n')
    run.give(Done(output=" x\n"))
    assert run.position.outcome == Succeeded(values={"v": "x"})


def test_a_screen_that_comes_late_is_waited_for() -> None:
    run = one('do = "tap"\non = { text = "a" }')
    for _ in range(3):
        assert run.give(Looked(Seen(drawn(B)))) == Pause(seconds=0.5)
        assert run.give(Done()) == Dump()
    assert run.give(Looked(Seen(AB))) == TAP_A


def test_a_screen_that_never_stands_still_is_read_another_way() -> None:
    run = one('do = "tap"\non = { text = "a" }')
    run.give(Looked(NotIdle()))
    assert run.give(Done()) == Dump(compressed=True)
    run.give(Looked(NotIdle()))
    assert run.give(Done()) == Dump()


def test_something_in_front_or_disabled_is_waited_out() -> None:
    hidden = drawn(A, ("sheet", (0, 0, 1000, 2000)))
    _, outcome = played('do = "tap"\non = { text = "a" }', hidden)
    assert isinstance(outcome, Failed) and "in front of `a`" in outcome.reason
    _, outcome = played('do = "tap"\non = { text = "ОСТАНОВИТЬ" }', screen("app_info_9_ru"))
    assert isinstance(outcome, Failed) and "takes no taps" in outcome.reason


def test_a_step_that_had_no_effect_is_tried_again() -> None:
    run = one('do = "tap"\non = { text = "a" }\nretry = { times = 2, wait = 3 }')
    for _ in range(2):
        assert run.give(Looked(Seen(AB))) == TAP_A
        assert run.give(NotDone("the phone is not there")) == Pause(seconds=3)
        assert run.give(Done(), took=3) == Dump()
    run.give(Looked(Seen(AB)))
    assert run.give(NotDone("the phone is not there")) is None
    assert isinstance(run.position.outcome, Failed) and not run.position.outcome.uncertain


def test_a_step_that_may_have_had_its_effect_is_not() -> None:
    run = one('do = "tap"\non = { text = "a" }\nretry = { times = 2, wait = 3 }')
    run.give(Looked(Seen(AB)))
    assert run.give(NotDone("no answer", maybe=True)) is None
    assert isinstance(run.position.outcome, Failed) and run.position.outcome.uncertain
    again = one('do = "tap"\non = { text = "a" }\nretry = { times = 2, wait = 3 }\nafter_crash = "repeat"')
    again.give(Looked(Seen(AB)))
    assert again.give(NotDone("no answer", maybe=True)) == Pause(seconds=3)


def test_a_failure_goes_on_where_its_try_says() -> None:
    run = Run(
        script(
            '[[steps]]\ndo = "try"\n[[steps.steps]]\ndo = "repeat"\nmost = 5\n'
            'steps = [{ do = "tap", on = { text = "c" } }]\n'
            '[[steps.on_failure]]\ndo = "type"\ntext = "${error}"\n[[steps]]\ndo = "key"\nkey = "home"\n'
        )
    )
    assert isinstance(run.play(lambda _: AB).outcome, Succeeded)
    typed, home = run.effects
    assert isinstance(typed, InputText) and "no `c`" in typed.text and home == PressKey(code=3)
    assert run.position.frames == ()


def test_a_failure_in_what_handles_one_is_a_failure() -> None:
    run = one(
        'do = "try"\nsteps = [{ do = "tap", on = { text = "c" } }]\non_failure = [{ do = "tap", on = { text = "d" } }]'
    )
    outcome = run.play(lambda _: AB).outcome
    assert isinstance(outcome, Failed) and outcome.at == "steps[0].on_failure[0]"


INNER = '[[steps]]\ndo = "type"\ntext = "${who}"\n[[steps]]\ndo = "extract"\ninto = "v"\nvalue = "got ${who}"\n'


def test_a_script_runs_another_with_values_of_its_own() -> None:
    head = 'values = ["v"]\n[params.who]\ntype = "text"\nsummary = "who"\npattern = "[a-z0-9 ]+"\n'
    library = {"b": script(INNER, head, name="b")}
    outer = script(
        '[[steps]]\ndo = "run"\nscript = "b"\nparams = { who = "x ${x}" }\n[[steps]]\ndo = "type"\ntext = "${v}"\n',
        PARAMS, library=library,
    )  # fmt: skip
    run = Run(outer, {"x": "1"}, library=library)
    assert run.play(lambda _: AB).outcome == Succeeded(values={})
    assert run.effects == [InputText(text="x 1"), InputText(text="got x 1")]
    assert run.position.values == {"x": "1", "v": "got x 1"}
    bad = Run(outer, {"x": "!"}, library=library)
    outcome = bad.play(lambda _: AB).outcome
    assert isinstance(outcome, Failed) and "must fit the pattern" in outcome.reason and bad.effects == []


HANDLER = (
    '[[handlers]]\nname = "permission"\non = { id = "permission_message" }\ntap = { text = ["Allow"] }\nmost = 2\n'
)


def test_what_comes_up_is_dealt_with_at_any_step() -> None:
    run = one('do = "tap"\non = { text = "a" }', HANDLER)
    assert run.give(Looked(Seen(screen("permission_11_en")))) == TapAt(x=540, y=1860)
    assert run.give(Done()) == Dump()
    assert run.give(Looked(Seen(AB))) == TAP_A


def test_what_comes_up_for_ever_is_a_failure() -> None:
    run = one('do = "tap"\non = { text = "a" }', HANDLER)
    outcome = run.play(lambda _: screen("permission_11_en")).outcome
    assert isinstance(outcome, Failed) and "more than 2 times" in outcome.reason and len(run.effects) == 2


def test_a_handler_presses_a_key_or_waits_for_its_button() -> None:
    run = one('do = "tap"\non = { text = "a" }', HANDLER.replace('tap = { text = ["Allow"] }', 'key = "back"'))
    assert run.give(Looked(Seen(screen("permission_11_en")))) == PressKey(code=4)
    other = one('do = "tap"\non = { text = "a" }', HANDLER)
    outcome = other.play(lambda _: screen("permission_13_uk")).outcome
    assert isinstance(outcome, Failed) and "is in the way" in outcome.reason


CALL = """do = "call"
app = "org.telegram.messenger"
number = "${x}"
on = { description = ["Call", "Дзвінок"] }
answered = { text = "talking" }
during = { text = ["rings", "end"] }
hang_up = { text = "end" }
longest = 30
"""
HANDLER_FIRST = """handlers = [
  { name = "permission", on = { id = "permission_message" }, tap = { text = "Allow" } },
]
"""
NEEDS = 'values = ["call"]\n[needs]\napps = ["org.telegram.messenger"]\n' + PARAMS
CHAT = screen("chat_telegram_12_en")


def app(*things: tuple[str, tuple[int, int, int, int]]) -> Tree:
    """A screen of the app."""
    return drawn(*things, package="org.telegram.messenger")


def calling() -> Run:
    run = one(CALL, NEEDS)
    assert run.give(Looked(Seen(CHAT))) == PlaceCall(
        app="org.telegram.messenger", number="1 2", x=885, y=155
    )  # fmt: skip
    return run


LOOK = Dump(compressed=True)  # at a call, whose timer never stands still
RINGS, TALKS = app(("rings", (0, 0, 9, 9))), app(("talking", (0, 0, 9, 9)), ("end", (0, 100, 100, 200)))


def placed() -> Run:
    """The call's button was tapped; the screen changes."""
    run = calling()
    assert run.give(Done()) == Pause(seconds=0.5)
    assert run.give(Done()) == LOOK
    return run


def test_a_call_is_placed_and_followed_to_its_end() -> None:
    run = placed()
    assert run.give(Looked(Seen(RINGS))) == Pause(seconds=1)
    assert run.give(Done()) == LOOK
    assert run.give(Looked(Seen(TALKS))) == TellCall(state="answered")
    assert run.give(Done()) == LOOK
    assert run.give(Looked(Seen(TALKS))) == Pause(seconds=1)
    assert run.give(Done(), took=31) == LOOK
    assert run.give(Looked(Seen(TALKS))) == TapAt(x=50, y=150)
    assert run.give(Done()) == Pause(seconds=0.5)
    assert run.give(Done()) == LOOK
    assert run.give(Looked(Seen(CHAT))) == Pause(seconds=1)
    gone = run.now
    run.give(Done(), took=3)
    assert run.give(Looked(Seen(CHAT))) == TellCall(state="over")
    assert run.position.gone == gone < run.now  # when its screen went, not when that was sure
    run.give(Done())
    assert run.position.outcome == Succeeded(values={"call": "answered"})


def test_what_is_shown_after_hanging_up_is_no_answer() -> None:
    run = placed()
    ringing = app(("rings", (0, 0, 9, 9)), ("end", (0, 100, 100, 200)))
    run.give(Looked(Seen(ringing)))
    run.give(Done(), took=31)
    assert run.give(Looked(Seen(ringing))) == TapAt(x=50, y=150)
    run.give(Done())
    run.give(Done())
    assert run.give(Looked(Seen(TALKS))) != TellCall(state="answered")


def ends(run: Run) -> TellCall:
    """The call is looked at until it is over."""
    while not isinstance(run.position.asked, TellCall):
        run.give(Looked(Seen(CHAT)) if isinstance(run.position.asked, Dump) else Done())
    return run.position.asked


UNKNOWN = TellCall(state="over", reason=EndReason.UNKNOWN)


@pytest.mark.parametrize("asked", [Pause, Dump])
@pytest.mark.parametrize("away", [0.1, 60.0])
def test_who_takes_over_a_call_that_is_gone_does_not_know(asked: type, away: float) -> None:
    run = placed()
    run.give(Looked(Seen(RINGS)))
    if asked is Dump:
        run.give(Done())
    run.now += away
    run.taken_over()
    assert ends(run) == UNKNOWN
    run.give(Done())
    assert run.position.outcome == Succeeded(values={"call": "unknown"})


def test_who_takes_over_a_call_that_goes_on_knows_how_it_ends() -> None:
    run = placed()
    run.give(Looked(Seen(RINGS)))
    run.now += 60.0
    run.taken_over()
    run.give(Looked(Seen(RINGS)))
    assert ends(run) == TellCall(state="over")


def test_a_call_at_whose_end_nobody_looked_may_have_been_answered() -> None:
    run = placed()
    run.give(Looked(Seen(RINGS)))
    run.give(Done())
    run.give(Looked(NotIdle()), took=10.0)
    assert ends(run) == UNKNOWN
    other = placed()
    other.give(Looked(Seen(RINGS)))
    assert ends(other) == TellCall(state="over")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("busy", EndReason.BUSY), ("declined", EndReason.REJECTED), ("failed", EndReason.NETWORK), ("ended", None)],
)
def test_what_the_app_says_of_the_end_is_told_at_once(name: str, reason: EndReason | None) -> None:
    run = one(CALL.replace('"end"] }', '"end", "says so"] }') + f'{name} = {{ text = "says so" }}\n', NEEDS)
    for back in (Looked(Seen(CHAT)), Done(), Done(), Looked(Seen(RINGS)), Done()):
        run.give(back)
    assert run.give(Looked(Seen(app(("says so", (0, 0, 9, 9)))))) == TellCall(state="over", reason=reason)
    run.give(Done())
    assert run.position.outcome == Succeeded(values={"call": "unanswered"})


def test_a_call_that_the_run_has_ended_was_not_answered() -> None:
    ringing = app(("rings", (0, 0, 9, 9)), ("end", (0, 100, 100, 200)))
    for away in (False, True):
        run = placed()
        run.give(Looked(Seen(ringing)))
        run.give(Done(), took=31)
        run.give(Looked(Seen(ringing)))
        if away:
            run.taken_over()
        else:
            run.give(Done(), took=10.0)
        assert ends(run) == (UNKNOWN if away else TellCall(state="over"))


def test_a_call_has_not_ended_before_its_screen_came() -> None:
    run = placed()
    for _ in range(4):
        assert run.give(Looked(Seen(CHAT))) == Pause(seconds=0.5)
        assert run.give(Done()) == LOOK
    assert run.give(Looked(Seen(RINGS))) == Pause(seconds=1)
    assert run.position.began_call
    never = calling()
    never.play(lambda _: CHAT)
    assert isinstance(never.position.outcome, Failed) and never.position.outcome.uncertain
    assert never.effects == [PlaceCall(app="org.telegram.messenger", number="1 2", x=885, y=155)]


def test_what_comes_up_in_a_call_is_dealt_with_and_nothing_placed_again() -> None:
    run = one(CALL, HANDLER_FIRST + NEEDS)
    run.give(Looked(Seen(CHAT)))
    run.give(Done())
    run.give(Done())
    assert run.give(Looked(Seen(screen("permission_11_en")))) == TapAt(x=540, y=1860)
    assert run.give(Done()) == Pause(seconds=0.5)
    assert run.give(Done()) == LOOK and run.position.phase == "talk"
    assert run.give(Looked(Seen(CHAT))) == Pause(seconds=0.5)


def test_a_look_at_a_call_that_fails_is_made_again_soon() -> None:
    run = placed()
    for _ in range(3):
        assert run.give(Looked(NotIdle())) == Pause(seconds=0.2)
        assert run.give(Done()) == LOOK


def test_an_end_that_is_shown_is_believed_at_once() -> None:
    run = one(CALL + 'over = { text = "Line busy" }\n', NEEDS)
    run.give(Looked(Seen(CHAT)))
    run.give(Done())
    run.give(Done())
    run.give(Looked(Seen(app(("rings", (0, 0, 9, 9))))))
    run.give(Done())
    assert run.give(Looked(Seen(app(("Line busy", (0, 0, 9, 9)))))) == TellCall(state="over")
    run.give(Done())
    assert run.position.outcome == Succeeded(values={"call": "unanswered"})


def test_a_call_is_placed_and_ended_in_its_app_alone() -> None:
    run = one(CALL.replace('description = ["Call", "Дзвінок"]', 'id = "dialpad_floating_action_button"'), NEEDS)
    outcome = run.play(lambda _: screen("dialler_pixel_12_en")).outcome
    assert isinstance(outcome, Failed) and "not in the app" in outcome.reason and run.effects == []
    other = calling()
    other.play(lambda _: drawn(("rings", (0, 0, 9, 9)), ("end", (0, 100, 100, 200)), package="com.android.dialer"))
    assert [one for one in other.effects if isinstance(one, TapAt)] == []


def test_a_call_that_is_refused_is_not_placed() -> None:
    run = calling()
    run.give(NotDone("the number is on the do-not-call list"))
    assert isinstance(run.position.outcome, Failed) and "do-not-call" in run.position.outcome.reason


def test_a_call_before_which_something_came_up_is_begun_anew() -> None:
    run = one(CALL, HANDLER_FIRST + NEEDS)
    place = run.give(Looked(Seen(CHAT)))
    for _ in range(4):
        assert run.give(NotDone("it is not there any more", changed=True)) == Pause(seconds=1)
        assert run.give(Done(), took=1) == Dump()
        assert run.give(Looked(Seen(screen("permission_11_en")))) == TapAt(x=540, y=1860)
        assert run.give(Done()) == Dump()
        assert run.give(Looked(Seen(CHAT))) == place
    assert run.give(NotDone("it is not there any more", changed=True)) is None
    assert isinstance(run.position.outcome, Failed) and not run.position.outcome.uncertain


def test_a_call_that_may_have_been_placed_is_not_begun_anew() -> None:
    run = calling()
    run.give(NotDone("it is not there any more", changed=True))
    run.give(Done(), took=1)
    run.give(Looked(Seen(CHAT)))
    assert run.give(NotDone("no answer", maybe=True)) is None
    assert isinstance(run.position.outcome, Failed) and run.position.outcome.uncertain


def test_a_call_that_does_not_end_is_a_failure() -> None:
    run = calling()
    run.play(lambda _: app(("rings", (0, 0, 9, 9)), ("end", (0, 100, 100, 200))))
    assert isinstance(run.position.outcome, Failed) and "does not end" in run.position.outcome.reason
    assert run.effects.count(TapAt(x=50, y=150)) == 3 and run.now - 1000 < 100


def test_a_call_is_never_placed_a_second_time() -> None:
    run = calling()
    assert run.taken_over() is None
    assert isinstance(run.position.outcome, Failed) and run.position.outcome.uncertain
    goes_on = placed()
    assert goes_on.taken_over() == LOOK and goes_on.position.phase == "talk"


@pytest.mark.parametrize(
    ("step", "effect"),
    [
        ('do = "tap"\non = { text = "a" }', TAP_A),
        ('do = "key"\nkey = "enter"', PressKey(code=66)),
        ('do = "type"\ntext = "x"', InputText(text="x")),
        ('do = "open"\nlink = "https://a.b/pay"', OpenLink(link="https://a.b/pay")),
        ('do = "shell"\ncommand = ["svc", "wifi", "enable"]', RunCommand(words=("svc", "wifi", "enable"))),
    ],
)
def test_who_takes_over_repeats_nothing_that_has_an_effect(step: str, effect: AnyEffect) -> None:
    for more, expected in (("", Failed), ('\nafter_crash = "go_on"', Succeeded)):
        run = one(step + more)
        if isinstance(run.position.asked, Dump):
            run.give(Looked(Seen(AB)))
        assert run.position.asked == effect
        assert run.taken_over() is None and isinstance(run.position.outcome, expected)
        assert run.asked.count(effect) == 0
    run = one(step + '\nafter_crash = "repeat"')
    if isinstance(run.position.asked, Dump):
        run.give(Looked(Seen(AB)))
    assert run.taken_over() in (effect, Dump())


def test_who_takes_over_looks_again() -> None:
    run = one('do = "tap"\non = { text = "a" }')
    assert run.taken_over() == Dump()
    run.give(Looked(Seen(drawn(B))))
    assert run.position.phase == "pause" and run.taken_over() == Dump()


def test_a_service_code_is_sent_if_script_and_site_name_it() -> None:
    head = '[needs]\nussd = ["*111#", "*100#"]\n[params.x]\ntype = "text"\nsummary = "x"\n'
    step = script('[[steps]]\ndo = "ussd"\ncode = "${x}"\n', head)
    allowed = Run(step, {"x": "*111#"}, ussd=frozenset({"*111#", "*999#"}))
    assert allowed.position.asked == SendUssd(code="*111#")
    for code in ("*100#", "*999#", "*111# ", "*#06#"):
        run = Run(step, {"x": code}, ussd=frozenset({"*111#", "*999#"}))
        assert isinstance(run.position.outcome, Failed), code


@pytest.mark.parametrize(
    ("step", "value"),
    [
        ('do = "launch"\napp = "${x}"', "com.android.dialer"),
        ('do = "shell"\ncommand = ["pm", "clear", "${x}"]', "--user"),
        ('do = "shell"\ncommand = ["pm", "clear", "${x}"]', "a;reboot"),
        ('do = "tap"\non = { text = "${x}" }', "Позвонить"),
        ('do = "tap"\non = { description = "${x}" }', "Call"),
        ('do = "type"\ntext = "112"\non = { id = "${x}" }', "digits"),
        ('do = "swipe"\ndirection = "up"\non = { id = "${x}" }', "emergency_call_button"),
    ],
)
def test_a_value_makes_no_step_dial(step: str, value: str) -> None:
    for name in ("chat_telegram_12_en", "contacts_telegram_11_ru", "dialler_pixel_12_en", "lock_10_uk"):
        tree = screen(name)
        run = Run(script(f"[[steps]]\n{step}\n", PARAMS), {"x": value})
        assert isinstance(run.play(lambda _, tree=tree: tree).outcome, Failed)
        assert run.effects == []


def test_a_run_ends_by_its_deadline_whatever_it_is_in() -> None:
    run = one('do = "try"\nsteps = [{ do = "wait", seconds = 5 }]\non_failure = [{ do = "wait", seconds = 5 }]',
              "deadline = 4\n")  # fmt: skip
    run.give(Done(), took=5)
    assert isinstance(run.position.outcome, Failed) and "more than 4 s" in run.position.outcome.reason


def test_a_run_without_time_passing_ends_by_its_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "EFFECTS", 200)
    run = one('do = "tap"\non = { text = "c" }')
    while run.position.outcome is None:
        run.give(Looked(Seen(AB)), took=0)
    assert run.position.effects <= 200


def test_loops_that_ask_nothing_end_by_their_moves() -> None:
    inner = '{ do = "extract", into = "v", value = "x" }'
    for _ in range(3):
        inner = f'{{ do = "repeat", most = 100, steps = [{inner}] }}'
    run = Run(script(f"steps = [{inner}]\n"))
    assert isinstance(run.position.outcome, Failed) and "moves" in run.position.outcome.reason


def test_a_run_that_is_over_stays_so() -> None:
    run = one('do = "key"\nkey = "home"')
    run.give(Done())
    over = run.position
    assert run.give(Done()) is None and run.taken_over() is None and run.position == over


def test_people_see_which_step_it_is_and_what_it_waits_for() -> None:
    two = '[[steps]]\ndo = "key"\nkey = "home"\n[[steps]]\ndo = "tap"\nname = "Open it"\non = { text = "a" }\n'
    run = Run(script(two))
    shown = engine.running(run.program, run.position)
    assert (shown.step, shown.steps, shown.at, shown.waits_for) == (1, 2, "steps[0]", "key")
    run.give(Done())
    shown = engine.running(run.program, run.position)
    assert (shown.step, shown.steps, shown.at, shown.waits_for) == (2, 2, "steps[1]", "Open it")


@pytest.mark.parametrize(
    "step",
    ['do = "key"\nkey = "enter"', 'do = "key"\nkey = "center"', 'do = "type"\ntext = "*#06#"',
     'do = "swipe"\ndirection = "right"', 'do = "scroll_until"\non = { text = "x" }'],
)  # fmt: skip
def test_nothing_goes_to_a_dialler_that_is_in_front(step: str) -> None:
    for name in ("dialler_pixel_12_en", "dialler_samsung_13_uk", "in_call_11_ru"):
        effects, outcome = played(step, screen(name))
        assert effects == [] and isinstance(outcome, Failed) and "numbers are dialled" in outcome.reason


def test_a_handler_presses_nothing_in_a_dialler() -> None:
    head = '[[handlers]]\nname = "h"\non = { id = "digits" }\nkey = "enter"\n'
    effects, outcome = played('do = "tap"\non = { text = "a" }', screen("dialler_pixel_12_en"), head)
    assert effects == [] and isinstance(outcome, Failed)


def test_the_reason_names_each_alternative() -> None:
    _, outcome = played('do = "tap"\ndeadline = 1\non = { any_of = [{ text = "c" }, { id = "d" }] }')
    assert outcome.reason.startswith("there is no `c` or `d` on the screen")
