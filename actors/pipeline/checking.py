"""Whether a definition can be run: all that is wrong with it, each with line and column; and whether what a run is
given fits. Pure."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import islice, product
from math import prod
from typing import Any
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec import Struct, convert

from actors.pipeline import language as say
from actors.pipeline.globs import fits as fits_glob
from actors.pipeline.globs import odd_glob
from actors.pipeline.language import Definition, Param, Value
from actors.pipeline.repositories import odd_repository
from actors.pipeline.variables import refused_name
from actors.script.loading import MOST_PROBLEMS, Problem, plain, source, written
from actors.script.patterns import BadPattern, compiled
from actors.script.places import Path
from bus_schemas.errors import misfit
from bus_schemas.pipeline import LONGEST_TEXT, MOST_JOBS

Unfit = Iterator[tuple[Path, str]]
LONGEST = 1000  # characters of a parameter's value
JOB, LEFT = 1_000, 8_000  # bytes on record of a job; and of the files it leaves, or what phones say: mostly less
SLOT = 80  # bytes of a slot that a step names, of which it is said at least that it is not there
MOST_DAYS = 366 * 5  # within which a schedule must come
MOST_KNOWN = 25_000  # values: of 500 runs at least, that were tried and wait for their turn; 0.2 kB each, twice
MOST_WORK = 30_000  # instructions of all its patterns: to make and try them may take 0.4 s


class Checked(Struct, frozen=True):
    """A definition that can be run, or None and why not, in the order of the text."""

    definition: Definition | None
    problems: tuple[Problem, ...]

    def words(self, name: str) -> str:
        """What is wrong, in one line."""
        return "; ".join(problem.text(name) for problem in self.problems[:3])


def check(text: str) -> Checked:
    """Check the text of a definition. A hard one takes seconds."""
    if len(text) > LONGEST_TEXT:
        return Checked(None, (Problem(line=1, column=1, at="", message=f"longer than {LONGEST_TEXT} characters"),))
    found = source(text)
    if isinstance(found, Problem):
        return Checked(None, (found,))
    definition, wrong = written(found, Definition)
    if definition is not None:
        wrong = [found.problem(path, why) for path, why in islice(_wrong(definition), MOST_PROBLEMS)]
    return Checked(None if wrong else definition, tuple(sorted(set(wrong))))


_in_use: WeakValueDictionary[str, Definition] = WeakValueDictionary()  # by their texts


@lru_cache(maxsize=250)  # of 1.3 MB at most: of 64,000 letters, where each is a text of its own
def definition_of(text: str) -> Definition:
    """One that was checked before, perhaps when fewer things were known to be wrong. It is read alone, which takes up
    to 30 ms: what others have checked meanwhile makes it no slower for an actor. See `Reader`. Raises ValueError."""
    known = _in_use.get(text)
    if known is None:
        known = _in_use[text] = convert(tomllib.loads(plain(text)), Definition)
    return known


def is_known(text: str) -> bool:
    """Whether it would not have to be read."""
    return text in _in_use


def _wrong(definition: Definition) -> Unfit:
    params = definition.params.items()
    wrong = [(("params", name, *way), why) for name, param in params for way, why in _wrong_param(param)]
    yield from wrong
    if not wrong and _work(definition) > MOST_WORK:
        yield ("params",), "their patterns come to too much: repeat less in them"
    yield from _wrong_variables(definition.environment)
    if definition.schedule is not None:
        yield from _wrong_schedule(definition, definition.schedule)
    if definition.webhook is not None:
        yield from ((("webhook", *way), why) for way, why in _wrong_webhook(definition, definition.webhook))
    seen = set[str]()
    for place, step in enumerate(definition.steps):
        yield from ((("steps", place, *way), why) for way, why in _wrong_step(definition, step, seen))
        seen.add(step.name)
    if sum(len(cells(step)) for step in definition.steps) > MOST_JOBS:
        yield ("steps",), f"more than {MOST_JOBS} steps, each cell of a matrix one"
    if definition.repository is not None and (why := odd_repository(definition.repository)) is not None:
        yield ("repository",), why


def _work(definition: Definition) -> int:
    """Instructions that all patterns come to, which are good."""
    return sum(compiled(one.pattern).work for one in definition.params.values() if one.pattern is not None)


def _wrong_param(param: Param) -> Unfit:
    if (param.of is None) == (param.type == "choice"):
        yield (), "`of` stands with `choice`, and with it alone"
        return
    if param.type != "integer" and (param.least is not None or param.most is not None):
        yield (), "`least` and `most` stand with `integer` alone"
    if param.pattern is not None:
        if param.type != "text":
            yield ("pattern",), "it stands with `text` alone"
        try:
            compiled(param.pattern)
        except BadPattern as error:
            yield ("pattern",), f"not a pattern of RE2: {error}"
            return
    if param.default is not None and (why := unfit(param.default, param)) is not None:
        yield ("default",), why


def _wrong_schedule(definition: Definition, schedule: say.Schedule) -> Unfit:
    try:
        zone = ZoneInfo(schedule.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield ("schedule", "zone"), "no such time zone"
        zone = ZoneInfo("UTC")
    try:
        if not _has_five_fields(schedule.cron):
            raise CronSimError
        next(CronSim(schedule.cron, datetime(2026, 1, 1, tzinfo=zone)))
    except (CronSimError, StopIteration):
        yield ("schedule", "cron"), "five fields of cron are expected, like `0 3 * * *`, that come some day"
    for name, why in _unfit_values(definition, schedule.params):
        yield ("schedule", "params", name), why
    for name in _missing(definition, schedule.params):
        yield ("schedule",), f"the parameter `{name}` has no default: give it in `params` here"


def _wrong_webhook(definition: Definition, hook: say.Webhook) -> Unfit:
    if (hook.signature == "github") == (hook.time is None):
        yield (), "`time` stands with `signature = \"github\"`, which signs no time of its own, and with it alone"
    if hook.branch is not None and definition.repository is None:
        yield ("branch",), "without `repository` there is no branch"
    for where, globs in hook.only.items():
        yield from ((("only", where, *way), why) for way, why in _wrong_globs(globs))
    if hook.params is None:
        return
    for name in hook.params:
        if name not in definition.params:
            yield ("params", name), "there is no such parameter"
    for name in _missing(definition, hook.params):
        yield ("params",), f"the parameter `{name}` has no default: say where in the body it is"


def _wrong_step(definition: Definition, step: say.Step, seen: set[str]) -> Unfit:
    if step.name in seen:
        yield ("name",), "another step is called so"
    for place, name in enumerate(step.needs or ()):
        if name not in seen:
            yield ("needs", place), f"no step before it is called `{name}`"
    for name, value in step.when.params.items():
        if name not in definition.params:
            yield ("when", "params", name), "there is no such parameter"
        elif (why := unfit(value, definition.params[name])) is not None:
            yield ("when", "params", name), why
    yield from ((("when", "branch", *way), why) for way, why in _wrong_globs(step.when.branch or ()))
    for way, said in _values(step):
        if (param := say.reference(said)) is not None and param not in definition.params:
            yield way, f"there is no parameter `{param}`"
    if isinstance(step, say.Run):
        yield from _wrong_variables(step.environment)
        yield from _wrong_paths(step)
    by_itself = definition.schedule is not None or definition.webhook is not None
    if isinstance(step, say.OnFleet) and by_itself and definition.as_user is None:
        yield (), "what begins by itself (`schedule`, `webhook`) says by `as_user` in whose name it acts on phones"


def _wrong_globs(globs: Sequence[str]) -> Unfit:
    return (((place,), why) for place, glob in enumerate(globs) if (why := odd_glob(glob)) is not None)


def _wrong_variables(environment: Mapping[str, str]) -> Unfit:
    refused = ((name, refused_name(name)) for name in environment)
    return ((("environment", name), why) for name, why in refused if why is not None)


def _wrong_paths(step: say.Run) -> Unfit:
    if len(cells(step)) > say.MOST_CELLS:
        yield ("matrix",), f"more than {say.MOST_CELLS} cells"
    named = [("artefacts", place, text) for place, text in enumerate(step.artefacts)]
    for field, place, text in [*named, *(("cache", place, text) for place, text in enumerate(step.cache))]:
        if text.startswith(("/", "~")) or ".." in text.split("/"):
            yield (field, place), "a path within the workspace"


def _values(step: say.Step) -> Iterator[tuple[Path, Any]]:
    if isinstance(step, say.RunScript):
        yield from ((("params", name), value) for name, value in step.params.items())
    if isinstance(step, say.Call):
        yield ("number",), step.number


def cells(step: say.Step) -> list[dict[str, str]]:
    """The ways to choose one value of each list of a step's matrix; one with nothing in it where it has none."""
    matrix = step.matrix if isinstance(step, say.Run) else None
    if not matrix:
        return [{}]
    if prod(map(len, matrix.values())) > MOST_JOBS:
        return [{}] * (MOST_JOBS + 1)
    return [dict(zip(matrix, chosen, strict=True)) for chosen in product(*matrix.values())]


def on_record(definition: Definition) -> int:
    """Bytes that a run may put on record, however little it does: each job says how it is twice, with its cell."""
    jobs = ((step, cell) for step in definition.steps for cell in cells(step))
    return sum(JOB + _left(step) + 2 * sum(map(len, (*cell, *cell.values()))) for step, cell in jobs)


def _left(step: say.Step) -> int:
    if isinstance(step, say.OnFleet):
        return LEFT + SLOT * len(step.on.slots or ())
    return LEFT if isinstance(step, say.Run) and step.artefacts else 0


# --- what a run is given

_known: list[dict[bytes, bool]] = [{}, {}]  # whether a value fits a pattern, by the SHA-256 of both: newer, older


def bound(definition: Definition, given: Mapping[str, Value]) -> dict[str, Value]:
    """What a run has: what is given, else the defaults. Raises Refusal(INVALID_PARAMS) with the parameter's name."""
    for name, why in _unfit_values(definition, given):
        raise misfit(f"parameters.{name}", why, parameter=name)
    for name in _missing(definition, given):
        raise misfit(f"parameters.{name}", "it must be given.", parameter=name)
    return with_defaults(definition, given)


def with_defaults(definition: Definition, given: Mapping[str, Value]) -> dict[str, Value]:
    """The same of what is known to fit, like what a schedule gives: it was looked at with the definition."""
    found = {name: given.get(name, param.default) for name, param in definition.params.items()}
    return {name: value for name, value in found.items() if value is not None}


def tried(text: str, given: Mapping[str, Value]) -> None:
    """Have it known what of this fits into a definition: for a while, `bound` takes no time."""
    next(_unfit_values(definition_of(text), given), None)


def _unfit_values(definition: Definition, given: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    known = ", ".join(definition.params) or "none"
    for name, value in given.items():
        param = definition.params.get(name)
        why = unfit(value, param) if param is not None else f"there is no such parameter: there is {known}"
        if why is not None:
            yield name, why


def _missing(definition: Definition, given: Mapping[str, Value]) -> Iterator[str]:
    return (name for name, param in definition.params.items() if param.default is None and name not in given)


def unfit(value: Value, param: Param) -> str | None:
    """Why a value does not fit. None: it does."""
    match param.type:
        case "boolean":
            return None if isinstance(value, bool) else "true or false is expected"
        case "integer":
            return _unfit_integer(value, param)
    if not isinstance(value, str):
        return "a text is expected"
    if len(value) > LONGEST or any(_odd(sign) for sign in value):
        return f"a text in one line, of at most {LONGEST} characters, is expected"
    if param.of is not None and value not in param.of:
        return f"it must be one of {', '.join(param.of)}"
    if param.pattern is not None and not _fits(param.pattern, value):
        return f"it must fit the pattern {param.pattern}"
    return None


def _fits(pattern: str, value: str) -> bool:
    key = sha256(f"{pattern}\0{value}".encode(errors="surrogatepass")).digest()
    newer, older = _known
    known = newer.get(key, older.get(key))
    if known is None:
        known = newer[key] = compiled(pattern).fits(value)
        if len(newer) >= MOST_KNOWN:
            _known[:] = {}, newer
    return known


def _odd(sign: str) -> bool:
    return (sign < " " and sign != "\t") or "\ud800" <= sign <= "\udfff"


def _unfit_integer(value: Value, param: Param) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "a whole number is expected"
    if param.least is not None and value < param.least:
        return f"it must be {param.least} or more"
    if param.most is not None and value > param.most:
        return f"it must be {param.most} or less"
    return None


# --- when


def holds(step: say.Step, branch: str | None, parameters: Mapping[str, Value]) -> bool:
    """Whether a step is for a run at all: its branch and its parameters."""
    when = step.when
    fits = when.branch is None or any(fits_glob(glob, branch or "") for glob in when.branch)
    return fits and all(parameters.get(name) == value for name, value in when.params.items())


def next_due(schedule: say.Schedule, after: datetime) -> datetime | None:
    """When a schedule comes next, in UTC. None: within five years, never; so does one with seconds, which may be on
    record from before."""
    if not _has_five_fields(schedule.cron):
        return None
    coming = CronSim(schedule.cron, after.astimezone(ZoneInfo(schedule.zone)))
    try:
        found: datetime = next(coming)
    except StopIteration:
        return None
    return found.astimezone(UTC) if (found - after).days < MOST_DAYS else None


def _has_five_fields(cron: str) -> bool:
    """Whether it comes each minute at most: of six, `CronSim` takes the first for seconds."""
    return len(cron.split()) == 5
