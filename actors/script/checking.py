"""Whether a script can be run: all that is wrong with it, each with line and column. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from msgspec import Struct

from actors.script import guard
from actors.script import language as say
from actors.script.language import Condition, Param, Script
from actors.script.loading import MOST_PROBLEMS, Problem, source, written
from actors.script.patterns import BadPattern, compiled
from actors.script.places import Path
from actors.script.selectors import OTHERS, TEXTS, Selector, problems
from actors.script.values import filled, named_in

Unfit = Iterator[tuple[Path, str]]
OWN = frozenset({"error", "call"})  # values that the engine sets
NOT_NEEDED = "it takes `{takes}`, which is none of `needs.permissions`"
_SELECTORS = ("on", "gone", "inside", "answered", "during", "over", "ended", "busy", "declined", "failed", "hang_up",
              "tap")
_TEXTS = ("app", "message", "text", "value", "number", "code", "link")
_TOUCHING = (say.Tap, say.LongPress, say.Type, say.Clear)


class Checked(Struct, frozen=True):
    """A script that can be run, or None and why not, in the order of the file."""

    script: Script | None
    problems: tuple[Problem, ...]


def check(text: str, library: Mapping[str, Script], file: str | None = None) -> Checked:
    """Check the text of a script. `library`: the scripts that it may run, without itself; `file`: the name of its file
    without `.toml`, which must be its own."""
    found = source(text)
    if isinstance(found, Problem):
        return Checked(None, (found,))
    script, wrong = written(found, Script)
    if script is not None:
        wrong = [found.problem(path, why) for path, why in islice(_wrong(script, library, file), MOST_PROBLEMS)]
    return Checked(None if wrong else script, tuple(sorted(set(wrong))))


def steps_of(script: Script) -> list[Any]:
    """Every step, those in blocks too."""
    return [step for _, step, _ in _all(script.steps, ())]


def _wrong(script: Script, library: Mapping[str, Script], file: str | None) -> Unfit:
    if file is not None and script.name != file:
        yield ("name",), f"its file is called `{file}`"
    for name, param in script.params.items():
        yield from _wrong_param(name, param)
    known = {*script.params, *OWN, *_extracted(script.steps, library)}
    steps = list(_all(script.steps, ("steps",)))
    if len(steps) > say.STEPS:
        yield ("steps",), f"more than {say.STEPS} steps"
    for path, step, deep in steps:
        if deep > say.DEEPEST:
            yield path, f"blocks stand in blocks no deeper than {say.DEEPEST}"
        yield from ((path + way, why) for way, why in _wrong_step(step, script, library))
        yield from ((path + way, f"there is no value `{name}`") for way, name in _needed(step) if name not in known)
    for place, handler in enumerate(script.handlers):
        yield from ((("handlers", place, *way), why) for way, why in _wrong_handler(handler))
        yield from (
            (("handlers", place, *way), f"there is no value `{name}`") for way, name in _needed(handler)
            if name not in script.params
        )  # fmt: skip
    for place, words in enumerate(script.cleanup):
        yield from ((("cleanup", place), why) for why in _wrong_cleanup(words, script))
    for place, name in enumerate(script.values):
        if name not in known:
            yield ("values", place), f"no step puts anything into `{name}`"
    yield from _wrong_runs(script, library)


def _all(steps: Iterable[Any], path: Path, deep: int = 1) -> Iterator[tuple[Path, Any, int]]:
    """Every step, those in blocks too, with its place and how deep that is."""
    for number, step in enumerate(steps):
        yield (*path, number), step, deep
        for name, inner in say.blocks(step):
            yield from _all(inner, (*path, number, name), deep + 1)


def _extracted(steps: Iterable[Any], library: Mapping[str, Script]) -> set[str]:
    """The values that steps set."""
    found: set[str] = set()
    for _, step, _ in _all(steps, ()):
        if isinstance(step, say.Extract | say.ForEach | say.Shell) and step.into is not None:
            found.add(step.into)
        if isinstance(step, say.Run) and step.script in library:
            found |= {*library[step.script].values}
    return found


def _wrong_param(name: str, param: Param) -> Unfit:
    path: Path = ("params", name)
    if name in OWN:
        yield path, f"`{name}` is set by the platform"
    if param.pattern is not None:
        yield from _wrong_pattern(param.pattern, (*path, "pattern"))
    if (param.of is None) == (param.type == "choice"):
        yield path, "`of` stands with `choice`, and with it alone"
    if param.type != "integer" and (param.least is not None or param.most is not None):
        yield path, "`least` and `most` stand with `integer` alone"
    if param.type in ("integer", "choice") and param.pattern is not None:
        yield (*path, "pattern"), "it stands with `text` and `phone` alone"
    if param.least is not None and param.most is not None and param.least > param.most:
        yield (*path, "least"), "it is more than `most`"
    if param.default is not None and isinstance(param.default, int) != (param.type == "integer"):
        yield (*path, "default"), f"it is no {param.type}"
    if param.type == "choice" and param.default is not None and param.default not in (param.of or ()):
        yield (*path, "default"), "it is none of `of`"


def _wrong_pattern(pattern: str, path: Path) -> Unfit:
    try:
        compiled(pattern)
    except BadPattern as error:
        yield path, f"not a pattern of RE2: {error}"


def _wrong_handler(handler: say.Handler) -> Unfit:
    if (handler.tap is None) == (handler.key is None):
        yield (), "either `tap` or `key` says what is done"
    yield from _wrong_selectors(handler)
    for name in ("on", "tap"):
        selector = getattr(handler, name)
        if name == "tap" and selector is not None and (why := guard.of_selector(selector)) is not None:
            yield (name,), why
    if handler.key is not None and (why := guard.of_key(handler.key)) is not None:
        yield ("key",), why


def _wrong_cleanup(words: list[str], script: Script) -> Iterator[str]:
    """It is run at the home screen, so it opens nothing, and at any moment, so no value is sure to be there."""
    if any(named_in(word) for word in words):
        yield "no values stand in it"
    elif (why := guard.of_command(words)) is not None:
        yield why
    elif (takes := guard.permission_of(words)) is None:
        yield "it sets nothing of a phone"
    elif takes not in script.needs.permissions:
        yield NOT_NEEDED.format(takes=takes)


def _wrong_step(step: Any, script: Script, library: Mapping[str, Script]) -> Unfit:
    yield from _wrong_selectors(step)
    if isinstance(step, _TOUCHING) and step.on is not None and (why := guard.of_selector(step.on)) is not None:
        yield ("on",), why
    if isinstance(step, say.NEVER_TWICE) and (step.after_crash == "repeat" or step.retry.times):
        yield ("after_crash" if step.after_crash == "repeat" else "retry",), "it is never done a second time"
    for name in ("when", "until"):
        if isinstance(condition := getattr(step, name, None), Condition):
            yield from (((name, *way), why) for way, why in _wrong_condition(condition))
    yield from _wrong_own(step, script)


def _wrong_selectors(holder: Any) -> Unfit:
    for name in _SELECTORS:
        if isinstance(selector := getattr(holder, name, None), Selector):
            yield from (((name, *way), why) for way, why in problems(selector))


def _wrong_condition(condition: Condition) -> Unfit:
    said = [name for name in ("seen", "unseen", "value") if getattr(condition, name) is not None]
    if len(said) != 1:
        yield (), "exactly one of `seen`, `unseen` and `value` is asked"
    compared = [name for name in ("equals", "matching") if getattr(condition, name) is not None]
    if len(compared) != ("value" in said):
        yield (), "a `value` either `equals` something or is `matching`; nothing else does"
    for name in ("seen", "unseen"):
        if (selector := getattr(condition, name)) is not None:
            yield from (((name, *way), why) for way, why in problems(selector))
    if condition.matching is not None:
        yield from _wrong_pattern(condition.matching, ("matching",))


def _wrong_own(step: Any, script: Script) -> Unfit:
    """What only this kind of step can have wrong."""
    if isinstance(step, say.WaitFor) and (step.on is None) == (step.gone is None):
        yield (), "either `on` or `gone` says what is waited for"
    elif isinstance(step, say.Extract):
        if (step.on is None) == (step.value is None):
            yield (), "either `on` or `value` says what it is taken from"
        if step.pattern is not None:
            yield from _wrong_pattern(step.pattern, ("pattern",))
    elif isinstance(step, say.Ussd) and not named_in(step.code) and step.code not in script.needs.ussd:
        yield ("code",), "it is none of `needs.ussd`"
    elif isinstance(step, say.Shell) and (takes := guard.permission_of(sent(step))) is not None:
        if takes not in script.needs.permissions:
            yield ("command",), NOT_NEEDED.format(takes=takes)
    elif isinstance(step, say.Call) and step.app not in script.needs.apps:
        yield ("app",), "it is none of `needs.apps`"
    elif isinstance(step, say.Call) and step.longest + say.DEADLINE + say.ENDING >= script.deadline:
        yield ("longest",), f"with {say.DEADLINE + say.ENDING:g} s more it must fit into the script's `deadline`"
    into = getattr(step, "into", None)
    if into in OWN or into in script.params:
        yield ("into",), f"`{into}` is a parameter, or set by the platform"
    yield from (((name,), why) for name, why in _guarded(step) if why is not None)


def _guarded(step: Any) -> Iterator[tuple[str, str | None]]:
    """What the guard says of a step."""
    match step:
        case say.Launch() if not named_in(step.app):
            yield "app", guard.of_app(step.app)
        case say.Open():
            yield "link", guard.of_link(_without_values(step.link))
            yield "app", guard.of_app(step.app) if step.app is not None else None
        case say.Call():
            yield "app", guard.of_app(step.app)
        case say.Key():
            yield "key", guard.of_key(step.key)
        case say.Shell():
            yield "command", guard.of_command(sent(step))
        case _:
            return


def sent(step: say.Shell) -> list[str]:
    """A command as values might fill it."""
    return [_without_values(word) for word in step.command]


def _without_values(text: str) -> str:
    """The text as a value might fill it: what it then is must not depend on one."""
    return filled(text, dict.fromkeys(named_in(text), "x"))


def _needed(holder: Any) -> Iterator[tuple[Path, str]]:
    """The values that a step needs, each with its place."""
    for name in _TEXTS:
        if isinstance(text := getattr(holder, name, None), str):
            yield from (((name,), value) for value in named_in(text))
    for name in ("command", "of"):
        texts = getattr(holder, name, None)
        for place, text in enumerate(texts if isinstance(texts, list) else ()):
            yield from (((name, place), value) for value in named_in(text))
    for key, text in getattr(holder, "params", {}).items():
        yield from ((("params", key), value) for value in named_in(text))
    for name in _SELECTORS:
        if isinstance(selector := getattr(holder, name, None), Selector):
            yield from (((name, *way), value) for way, value in _needed_by(selector))
    for name in ("when", "until"):
        if isinstance(condition := getattr(holder, name, None), Condition):
            yield from (((name, *way), value) for way, value in _needed_by_condition(condition))


def _needed_by(selector: Selector) -> Iterator[tuple[Path, str]]:
    for name in TEXTS:
        wanted = getattr(selector, name)
        for text in [wanted] if isinstance(wanted, str) else wanted or ():
            yield from ((("class" if name == "kind" else name,), value) for value in named_in(text))
    for name in OTHERS:
        if (other := getattr(selector, name)) is not None:
            yield from (((name, *way), value) for way, value in _needed_by(other))
    for place, other in enumerate(selector.any_of or ()):
        yield from ((("any_of", place, *way), value) for way, value in _needed_by(other))


def _needed_by_condition(condition: Condition) -> Iterator[tuple[Path, str]]:
    for name in ("value", "equals"):
        texts = getattr(condition, name) or ()
        yield from (
            ((name,), value) for text in ([texts] if isinstance(texts, str) else texts) for value in named_in(text)
        )
    for name in ("seen", "unseen"):
        if (selector := getattr(condition, name)) is not None:
            yield from (((name, *way), value) for way, value in _needed_by(selector))


def _wrong_runs(script: Script, library: Mapping[str, Script]) -> Unfit:
    """What is wrong with the scripts that it runs: they are there, none runs itself, they take what is given."""
    for path, step, _ in _all(script.steps, ("steps",)):
        if not isinstance(step, say.Run):
            continue
        other = library.get(step.script)
        if step.script == script.name or (other is not None and script.name in _run_by(other, library)):
            yield (*path, "script"), "a script that runs itself"
        elif other is None:
            yield (*path, "script"), f"there is no script `{step.script}`"
        else:
            if _depth(other, library) >= say.MOST_RUNS_DEEP:
                yield (*path, "script"), f"scripts run scripts no deeper than {say.MOST_RUNS_DEEP}"
            for name in step.params.keys() - other.params.keys():
                yield (*path, "params", name), f"`{other.name}` has no parameter `{name}`"
            for name, param in other.params.items():
                if param.default is None and name not in step.params:
                    yield path, f"`{other.name}` must be given `{name}`"


def _run_by(script: Script, library: Mapping[str, Script], seen: frozenset[str] = frozenset()) -> set[str]:
    """The names of all scripts that a script runs, and of those that they run."""
    names = {step.script for _, step, _ in _all(script.steps, ()) if isinstance(step, say.Run)} - seen
    known = [library[name] for name in names if name in library]
    return names.union(*(_run_by(other, library, seen | names) for other in known))


def _depth(script: Script, library: Mapping[str, Script], deep: int = 1) -> int:
    """How many scripts stand in each other, with this one; more than are allowed is enough."""
    inner = [step.script for _, step, _ in _all(script.steps, ()) if isinstance(step, say.Run)]
    if deep > say.MOST_RUNS_DEEP:
        return deep
    return max((_depth(library[name], library, deep + 1) for name in inner if name in library), default=deep)
