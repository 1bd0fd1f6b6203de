"""What a script may say: the structs of its file (TOML), which are also its JSON Schema (docs/script.schema.json).

A step that is interrupted, because the host ended in the middle of it, is repeated only where that is safe: what each
kind does then stands in `AFTER_CRASH`, and a script may say otherwise with `after_crash`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from actors.script.selectors import Pattern, Selector
from bus_schemas.fields import shaped

Name = Annotated[str, shaped(r"^[a-z][a-z0-9_]{0,39}$(?!\n)", "1 to 40 letters (a-z), digits or `_`, a letter first")]
App = Annotated[
    str,
    Meta(
        min_length=1, max_length=200, examples=["org.telegram.messenger"], description="A package of Android."
    ),
]  # fmt: skip
Words = Annotated[str, Meta(min_length=1, max_length=300)]
Templated = Annotated[
    str,
    Meta(max_length=2000, description="A text; `${name}` in it stands for a parameter or what was extracted."),
]  # fmt: skip
Command = Annotated[list[Words], Meta(min_length=1, max_length=20)]
Seconds = Annotated[float, Meta(ge=0.1, le=600)]
Direction = Literal["up", "down", "left", "right"]
Permission = Literal["slot.apps", "slot.configure"]
AfterCrash = Literal["repeat", "go_on", "fail"]

KEYS = {
    "home": 3, "back": 4, "up": 19, "down": 20, "left": 21, "right": 22, "center": 23, "volume_up": 24,
    "volume_down": 25, "tab": 61, "enter": 66, "delete": 67, "menu": 82, "search": 84, "escape": 111,
    "page_up": 92, "page_down": 93, "recent_apps": 187, "sleep": 223, "wake": 224,
}  # fmt: skip

STEPS = 500  # of one script, all branches
DEEPEST = 6  # blocks in blocks
MOST_RUNS_DEEP = 3  # scripts that run scripts


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often a step is tried again that failed, and after how many seconds each time. What may have had an effect
    is not tried again unless `after_crash` is `repeat`."""

    times: Annotated[int, Meta(ge=0, le=5)] = 0
    wait: Annotated[float, Meta(ge=0, le=60)] = 1.0


class Condition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that is so or not: `seen`, something is on the screen; `unseen`, it is not; or `value`, a text, that
    `equals` another (or one of several) or fits a pattern (`matching`)."""

    seen: Selector | None = None
    unseen: Selector | None = None
    value: Templated | None = None
    equals: Templated | Annotated[list[Templated], Meta(min_length=1, max_length=30)] | None = None
    matching: Pattern | None = None


class Common(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="do"):
    """What every step may say. `name`: what people are shown. `deadline`: seconds after which it has failed, with all
    that it waits for. `after_crash`: what is done if the host ended while it was under way: `repeat` it, `go_on` with
    the next, or `fail`."""

    name: Words | None = None
    deadline: Seconds | None = None
    retry: Retry = Retry()
    after_crash: AfterCrash | None = None


class Launch(Common, frozen=True, tag="launch"):
    """Start an app. `fresh`: end it first."""

    app: Templated
    fresh: bool = False


class Open(Common, frozen=True, tag="open"):
    """Open a link. Values in it are encoded, so none of them changes where it leads. `app`: in this one."""

    link: Annotated[str, Meta(min_length=1, max_length=2000, examples=["tg://resolve?phone=${number}"])]
    app: App | None = None


class WaitFor(Common, frozen=True, tag="wait_for"):
    """Wait until something is on the screen (`on`), or is no longer (`gone`)."""

    on: Selector | None = None
    gone: Selector | None = None


class Tap(Common, frozen=True, tag="tap"):
    """Wait for something and tap it."""

    on: Selector


class LongPress(Common, frozen=True, tag="long_press"):
    """Wait for something and press it for some seconds."""

    on: Selector
    seconds: Annotated[float, Meta(ge=0.3, le=10)] = 0.8


class Swipe(Common, frozen=True, tag="swipe"):
    """Move a finger in a direction, over the screen or over something (`on`). `share`: how much of it is crossed."""

    direction: Direction
    on: Selector | None = None
    share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.6
    seconds: Annotated[float, Meta(ge=0.05, le=5)] = 0.3


class Type(Common, frozen=True, tag="type"):
    """Type a text, into something (`on`, which is tapped first) or where the cursor is. `secret`: it is not shown."""

    text: Templated
    on: Selector | None = None
    secret: bool = False


class Clear(Common, frozen=True, tag="clear"):
    """Empty a field."""

    on: Selector


class Key(Common, frozen=True, tag="key"):
    """Press a key."""

    key: Annotated[str, Meta(max_length=40, extra_json_schema={"enum": sorted(KEYS)})]


class ScrollUntil(Common, frozen=True, tag="scroll_until"):
    """Scroll until something is on the screen, at most so many times. `inside`: over this, not over the screen.
    `direction`: where to look."""

    on: Selector
    direction: Direction = "down"
    inside: Selector | None = None
    most: Annotated[int, Meta(ge=1, le=50)] = 20


class Wait(Common, frozen=True, tag="wait"):
    """Do nothing for some seconds. `wait_for` is better wherever there is something to wait for."""

    seconds: Annotated[float, Meta(ge=0.1, le=60)]


class Assert(Common, frozen=True, tag="assert"):
    """Fail, with this message, unless it is so. The screen is given until the deadline."""

    when: Condition
    message: Words


class Fail(Common, frozen=True, tag="fail"):
    """Fail, with this message."""

    message: Annotated[str, Meta(min_length=1, max_length=300)]


class Screenshot(Common, frozen=True, tag="screenshot"):
    """Keep a picture of the screen with the run."""

    label: Name


class Extract(Common, frozen=True, tag="extract"):
    """Put a text into a variable: of something on the screen (`on`), by its text or its description (`of`), or of
    another text (`value`). `pattern`: its first group, or what fits it if it has none; without it the whole text."""

    into: Name
    on: Selector | None = None
    of: Literal["text", "description"] = "text"
    value: Templated | None = None
    pattern: Pattern | None = None


class If(Common, frozen=True, tag="if"):
    """Do some steps if it is so, others else. It is looked once, `deadline` does not wait for it."""

    when: Condition
    then: Annotated[list["Step"], Meta(min_length=1, max_length=100)]
    otherwise: Annotated[list["Step"], Meta(max_length=100)] = field(default_factory=list, name="else")


class Repeat(Common, frozen=True, tag="repeat"):
    """Do some steps until it is so (looked at before each time), at most so many times. With `until` it has failed if
    that is not so after the last time; without, the steps are done so many times."""

    most: Annotated[int, Meta(ge=1, le=100)]
    steps: Annotated[list["Step"], Meta(min_length=1, max_length=100)]
    until: Condition | None = None


class ForEach(Common, frozen=True, tag="for_each"):
    """Do some steps with each of some texts in a variable."""

    into: Name
    of: Annotated[list[Templated], Meta(min_length=1, max_length=100)]
    steps: Annotated[list["Step"], Meta(min_length=1, max_length=100)]


class Try(Common, frozen=True, tag="try"):
    """Do some steps; if one fails, go on with others, where `${error}` is the reason."""

    steps: Annotated[list["Step"], Meta(min_length=1, max_length=100)]
    on_failure: Annotated[list["Step"], Meta(max_length=100)] = field(default_factory=list)


class Run(Common, frozen=True, tag="run"):
    """Do another script. Its values are variables of this one afterwards."""

    script: Name
    params: dict[str, Templated] = field(default_factory=dict)


class Call(Common, frozen=True, tag="call"):
    """Place a call inside of an app, once the platform allows it: the dial rules are asked, and the call is on record,
    before the button (`on`) is tapped. `during` is seen as long as the call lasts; once it was seen, the call is
    over when `over` is, or, without that, when `during` is gone for two looks. After `longest` seconds `hang_up` is
    tapped. `answered`: what is seen beside it once somebody talks. The value `call` is `answered`, `unanswered` or
    (where nobody looked for some seconds before it was gone) `unknown` afterwards. `ended`, `busy`, `declined`,
    `failed`: what says so once it is over, at once and for the call's record."""

    app: App
    number: Templated
    on: Selector
    during: Selector
    over: Selector | None = None
    ended: Selector | None = None
    busy: Selector | None = None
    declined: Selector | None = None
    failed: Selector | None = None
    answered: Selector | None = None
    hang_up: Selector | None = None
    longest: Annotated[float, Meta(ge=1, le=3600)] = 120.0


class Ussd(Common, frozen=True, tag="ussd"):
    """Send a service code to the network: one of those that the script (`needs.ussd`) and the site name, exactly."""

    code: Templated


class Shell(Common, frozen=True, tag="shell"):
    """Run one of a few known commands on the phone, word by word: no shell reads it. `into`: what it prints."""

    command: Annotated[list[Templated], Meta(min_length=1, max_length=20)]
    into: Name | None = None


Step = (
    Launch | Open | WaitFor | Tap | LongPress | Swipe | Type | Clear | Key | ScrollUntil | Wait | Assert | Fail
    | Screenshot | Extract | If | Repeat | ForEach | Try | Run | Call | Ussd | Shell
)  # fmt: skip
Block = If | Repeat | ForEach | Try

# What is done with a step that was under way when its host ended. What only looks, or comes to the same however often
# it is done, is done again; of all else nobody knows whether it has happened, so it is not.
AFTER_CRASH: dict[type[Any], AfterCrash] = {
    Launch: "repeat", Open: "fail", WaitFor: "repeat", Tap: "fail", LongPress: "fail", Swipe: "fail", Type: "fail",
    Clear: "repeat", Key: "fail", ScrollUntil: "repeat", Wait: "repeat", Assert: "repeat", Fail: "repeat",
    Screenshot: "repeat", Extract: "repeat", Run: "repeat", Call: "fail", Ussd: "fail", Shell: "fail",
}  # fmt: skip
NEVER_TWICE = (Call, Ussd)  # whatever a script says
DEADLINES: dict[type[Any], float] = {Launch: 20.0, ScrollUntil: 60.0, Screenshot: 15.0, Ussd: 40.0, Wait: 90.0}
DEADLINE = 15.0  # of the other kinds
ENDING = 60.0  # seconds that a call has to end once it is to: screens with a clock in them cannot always be read


class Param(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What whoever runs a script gives it. `phone`: a number, by the site's rules, in the form that is dialled; `text`,
    all of which fits `pattern` if there is one; `integer`, from `least` to `most`; `choice`, one of `of`. Without a
    `default` it must be given."""

    type: Literal["phone", "text", "integer", "choice"]
    summary: Words
    pattern: Pattern | None = None
    of: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=100)] | None = None
    least: int | None = None
    most: int | None = None
    default: str | int | None = None
    secret: bool = False


class Needs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a phone must have: apps; the oldest Android; and, in words, what else. `ussd`: the codes that it sends.
    `permissions`: what whoever runs it must hold beside `script.run`; what its commands take has to stand here."""

    apps: Annotated[list[App], Meta(max_length=20)] = field(default_factory=list)
    android: Annotated[int, Meta(ge=5, le=99)] | None = None
    also: Annotated[list[Words], Meta(max_length=20)] = field(default_factory=list)
    ussd: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)] = field(default_factory=list)
    permissions: Annotated[list[Permission], Meta(max_length=20)] = field(default_factory=list)


class Handler(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is done when something comes up, at any step: `on` is seen, so `tap` is tapped, or `key` pressed. At most so
    many times in one run; the next time the step fails."""

    name: Words
    on: Selector
    tap: Selector | None = None
    key: Annotated[str, Meta(max_length=40, extra_json_schema={"enum": sorted(KEYS)})] | None = None
    most: Annotated[int, Meta(ge=1, le=20)] = 5


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A script. Its file is called as it is, with `.toml`. `version` goes up with each change. `values`: the variables
    that whoever ran it is given. `deadline`: seconds for all of it. `cleanup`: commands, word by word and without
    values, that set right what a run has changed which is stopped or fails."""

    name: Name
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    summary: Words
    steps: Annotated[list[Step], Meta(min_length=1, max_length=100)]
    needs: Needs = Needs()
    params: Annotated[dict[Name, Param], Meta(max_length=30)] = field(default_factory=dict)
    handlers: Annotated[list[Handler], Meta(max_length=30)] = field(default_factory=list)
    values: Annotated[list[Name], Meta(max_length=30)] = field(default_factory=list)
    cleanup: Annotated[list[Command], Meta(max_length=5)] = field(default_factory=list)
    deadline: Annotated[float, Meta(ge=1, le=3600)] = 180.0


def after_crash(step: Any) -> AfterCrash:
    """What is done with this step if its host ended in the middle of it."""
    if isinstance(step, NEVER_TWICE):
        return "fail" if step.after_crash != "go_on" else "go_on"
    return step.after_crash or AFTER_CRASH.get(type(step), "fail")


def deadline(step: Any) -> float:
    """Seconds that it has, of a call until it is placed."""
    return float(step.deadline or DEADLINES.get(type(step), DEADLINE))


def kind(step: Any) -> str:
    """What it is called in a script."""
    return str(type(step).__struct_config__.tag)


def blocks(step: Any) -> tuple[tuple[str, list[Any]], ...]:
    """The steps in a step, by the names of their places."""
    if isinstance(step, If):
        return ("then", step.then), ("else", step.otherwise)
    if isinstance(step, Repeat | ForEach):
        return (("steps", step.steps),)
    if isinstance(step, Try):
        return ("steps", step.steps), ("on_failure", step.on_failure)
    return ()
