"""What each kind of step comes to, with what is on the screen. Pure. Nothing leaves here that dials: `dialling`."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.script import guard
from actors.script import language as say
from actors.script.effects import (
    AnyEffect,
    ClearField,
    InputText,
    LaunchApp,
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
)
from actors.script.language import Condition
from actors.script.patterns import compiled
from actors.script.position import Phase
from actors.script.selectors import Selector, one, point
from actors.script.tree import Bounds, Node, Tree
from actors.script.values import LONGEST, filled, filled_link, filled_selector

# Keys that come to the same whatever is in front. Others may press what is marked there, which may be what dials.
BLIND = frozenset({"home", "back", "wake", "sleep", "recent_apps", "volume_up", "volume_down"})
_LOOKING = say.WaitFor | say.Tap | say.LongPress | say.Swipe | say.Type | say.Clear | say.ScrollUntil | say.Call


class Act(Struct, frozen=True):
    """Do this; it is the step's own effect, or a part of it (`phase`). `node`: what is touched."""

    effect: AnyEffect
    phase: Phase = "act"
    node: Node | None = None


class Found(Struct, frozen=True):
    """The step is done; these values are new."""

    values: dict[str, str] = {}


class NotYet(Struct, frozen=True):
    """Look again. `why`: for people, if the time is over."""

    why: str


class Never(Struct, frozen=True):
    """It has failed, and looking again would not help."""

    why: str


Come = Act | Found | NotYet | Never


def needs_look(step: Any) -> bool:
    """Whether the screen is to be read before it is known what is done."""
    match step:
        case say.Assert():
            return step.when.value is None
        case say.Extract():
            return step.on is not None
        case say.Key():
            return step.key not in BLIND
        case _:
            return isinstance(step, _LOOKING)


def first(step: Any, values: Mapping[str, str], codes: frozenset[str]) -> Come:
    """What a step comes to that needs no look. `codes`: of a `ussd` step, those that may be sent. Raises NoValue."""
    match step:
        case say.Launch():
            return Act(LaunchApp(app=filled(step.app, values), fresh=step.fresh))
        case say.Open():
            return Act(OpenLink(link=filled_link(step.link, values), app=step.app))
        case say.Key():
            return Act(PressKey(code=say.KEYS[step.key]))
        case say.Wait():
            return Act(Pause(seconds=step.seconds))
        case say.Screenshot():
            return Act(TakeScreenshot(label=step.label))
        case say.Shell():
            return Act(RunCommand(words=tuple(filled(word, values) for word in step.command)))
        case say.Assert():
            return Found() if holds(step.when, None, values) else Never(filled(step.message, values))
        case say.Extract():
            taken = _taken(step, filled(step.value or "", values))
            return Never("the text does not fit the pattern") if taken is None else taken
        case say.Fail():
            return Never(filled(step.message, values))
        case say.Ussd():
            code = filled(step.code, values)
            return Act(SendUssd(code=code)) if code in codes else Never("the code is none that the site allows")
        case _:
            raise AssertionError(f"{say.kind(step)} needs a look")


def look_at(step: Any, tree: Tree, values: Mapping[str, str], count: int) -> Come:
    """What a step comes to with this screen. `count`: how often it was scrolled. Raises NoValue."""
    if isinstance(step, say.Key) or (isinstance(step, say.Type) and step.on is None):
        return _with_what_is_in_front(step, tree, values)
    match step:
        case say.WaitFor() if step.gone is not None:
            return NotYet("it is still there") if _one(step.gone, tree, values) else Found()
        case say.Assert():
            return Found() if holds(step.when, tree, values) else NotYet(filled(step.message, values))
        case say.Swipe():
            return _swipe(step, tree, values)
        case say.ScrollUntil():
            return _scroll(step, tree, values, count)
        case _:
            node = _one(step.on, tree, values)
            if node is None:
                return NotYet(f"there is no {words(step.on)} on the screen")
            return _with(step, node, tree, values)


def _with_what_is_in_front(step: say.Key | say.Type, tree: Tree, values: Mapping[str, str]) -> Come:
    front = in_front(tree)
    if front is None:
        return NotYet("there is nothing on the screen")
    if isinstance(step, say.Type):
        return Act(InputText(text=filled(step.text, values), secret=step.secret), node=front)
    return Act(PressKey(code=say.KEYS[step.key]), node=front) if step.key in say.KEYS else Never("no such key")


def in_front(tree: Tree) -> Node | None:
    """What gets a key, and what a finger moves over that moves over the screen: the whole of an app's window, one in
    which numbers are dialled before others. None: there is none."""
    roots = [node for node in tree.nodes if node.parent == -1]
    return next((node for node in roots if node.package in guard.DIALLERS), roots[0] if roots else None)


def _with(step: Any, node: Node, tree: Tree, values: Mapping[str, str]) -> Come:
    if isinstance(step, say.WaitFor):
        return Found()
    if isinstance(step, say.Extract):
        taken = _taken(step, node.text if step.of == "text" else node.description)
        return NotYet("the text on the screen does not fit the pattern") if taken is None else taken
    place = point(node, tree)
    if place is None:
        return NotYet(f"something is in front of {words(step.on)}")
    if not node.enabled:
        return NotYet(f"{words(step.on)} takes no taps yet")
    x, y = place
    match step:
        case say.Tap():
            return Act(TapAt(x=x, y=y), node=node)
        case say.LongPress():
            return Act(PressAt(x=x, y=y, seconds=step.seconds), node=node)
        case say.Type():
            return Act(InputText(text=filled(step.text, values), x=x, y=y, secret=step.secret), node=node)
        case say.Clear():
            return Act(ClearField(x=x, y=y, signs=len(node.text)), node=node)
        case _:
            return Act(PlaceCall(app=step.app, number=filled(step.number, values), x=x, y=y), "place", node)


def dialling(act: Act) -> str | None:
    """Why what a step comes to is not done: it dials, or may. Asked of each before it leaves the engine. None: it does
    not, or it is a call that the platform places."""
    effect = act.effect
    match effect:
        case PlaceCall():
            return guard.of_call(effect.app, act.node)
        case OpenLink():
            return guard.of_link(effect.link) or (guard.of_app(effect.app) if effect.app is not None else None)
        case LaunchApp():
            return guard.of_app(effect.app)
        case RunCommand():
            return guard.of_command(effect.words)
        case PressKey() if effect.code not in say.KEYS.values():
            return "no key that scripts press"
        case _:
            return guard.of_node(act.node) if act.node is not None else None


def holds(condition: Condition, tree: Tree | None, values: Mapping[str, str]) -> bool:
    """Whether it is so. `tree` None: it asks of a text. Raises NoValue."""
    if tree is not None and condition.seen is not None:
        return _one(condition.seen, tree, values) is not None
    if tree is not None and condition.unseen is not None:
        return _one(condition.unseen, tree, values) is None
    text = filled(condition.value or "", values)
    if condition.matching is not None:
        return compiled(condition.matching).in_it(text)
    several = condition.equals if isinstance(condition.equals, list) else [condition.equals or ""]
    return text in [filled(other, values) for other in several]


def words(selector: Selector) -> str:
    """A selector in a few words."""
    for name in ("text", "text_containing", "description", "description_containing", "id", "text_matching", "kind"):
        if (wanted := getattr(selector, name)) is not None:
            said = wanted if isinstance(wanted, str) else wanted[0]
            return f"`{said[:60]}`"
    several = dict.fromkeys(words(other) for other in selector.any_of or ())
    return " or ".join(several) or "such thing"


def covered(step: Any, tree: Tree, values: Mapping[str, str]) -> bool:
    """Whether a keyboard lies over what a step, or a condition, is about. Raises NoValue."""
    if all(node.visible for node in tree.nodes):
        return False
    match step:
        case say.Swipe():
            return True  # the finger might move over the keyboard
        case say.ScrollUntil():
            return _one(step.on, tree, values) is None
        case say.WaitFor():
            meant = step.on or step.gone
        case say.Assert(when=condition) | (Condition() as condition):
            meant = condition.seen or condition.unseen
        case _:
            meant = getattr(step, "on", None)
    if meant is None or _one(meant, tree, values) is not None:
        return False
    without = replace(tree, nodes=tuple(replace(node, visible=True) for node in tree.nodes))
    return _one(meant, without, values) is not None


def _one(selector: Selector, tree: Tree, values: Mapping[str, str]) -> Node | None:
    return one(filled_selector(selector, values), tree)


def _taken(step: say.Extract, text: str) -> Found | None:
    taken = text if step.pattern is None else compiled(step.pattern).out_of(text)
    return None if taken is None else Found({step.into: taken[:LONGEST]})


def _swipe(step: say.Swipe, tree: Tree, values: Mapping[str, str]) -> Come:
    node = _one(step.on, tree, values) if step.on is not None else in_front(tree)
    over = _area(node, step.on, tree)
    if over is None:
        return NotYet("there is nothing to swipe over")
    return Act(_moved(over, step.direction, step.share, step.seconds), node=node)


def _scroll(step: say.ScrollUntil, tree: Tree, values: Mapping[str, str], count: int) -> Come:
    if (node := _one(step.on, tree, values)) is not None and point(node, tree) is not None:
        return Found()
    node = _one(step.inside, tree, values) if step.inside is not None else in_front(tree)
    over = _area(node, step.inside, tree)
    if over is None:
        return NotYet("there is nothing to scroll")
    if count >= step.most:
        return Never(f"there is no {words(step.on)} after scrolling {step.most} times")
    fingers: dict[str, say.Direction] = {"down": "up", "up": "down", "left": "right", "right": "left"}
    return Act(_moved(over, fingers[step.direction], 0.5, 0.4), "scroll", node)


def _area(node: Node | None, selector: Selector | None, tree: Tree) -> Bounds | None:
    """Where a finger moves: over what is meant, or, where nothing is, over the screen."""
    if node is None or tree.screen.empty:
        return None
    return tree.screen if selector is None else node.bounds.within(tree.screen)


def _moved(over: Bounds, direction: say.Direction, share: float, seconds: float) -> SwipeOver:
    """A finger's way over the middle of a place, in a direction."""
    x, y = (over.left + over.right) // 2, (over.top + over.bottom) // 2
    across, down = int((over.right - over.left) * share / 2), int((over.bottom - over.top) * share / 2)
    right = {"left": -1, "right": 1}.get(direction, 0) * across
    low = {"up": -1, "down": 1}.get(direction, 0) * down
    return SwipeOver(x=x - right, y=y - low, to_x=x + right, to_y=y + low, seconds=seconds)
