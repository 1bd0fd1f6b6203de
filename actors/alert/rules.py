"""Which alerts there are: data, in one file (`config/alerts.toml`). What is wrong in it stops the start, with its line.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.monitor.thresholds import Threshold, names_only
from actors.runtime.settings import SettingsError
from bus_schemas.alert import AlertSeverity, Channel
from bus_schemas.fields import Id, plainly, shaped
from bus_schemas.monitor import METRICS, names_of

BUILT_IN = Path(__file__).resolve().parents[2] / "config" / "alerts.toml"
MOST_RULES = 200
LONGEST = 300  # characters of what is said
NAMED = ("id", "host", "hub", "reason")  # in its words, beside the value

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Words = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
Pattern = Annotated[str, shaped(r"^[A-Za-z0-9_.:*-]{1,64}$(?!\n)", "an id, in which `*` stands for anything")]
Address = Annotated[
    str, shaped(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}$(?!\n)", "an e-mail address, as `ops@example.com`")
]


class State(StrEnum):
    """What can be wrong with a thing without being a figure, by the kind of the thing."""

    QUARANTINED = "slot.quarantined"  # the platform has given the phone up
    HUB_GONE = "hub.gone"  # a hub that slots are on is unplugged, or all its phones are away
    HOST_GONE = "host.gone"  # a host that was there tells nothing any more
    TRUNK_DOWN = "trunk.down"
    TRUNK_WARN = "trunk.warn"
    JOURNAL_FULL = "host.journal_full"  # nearly: nothing new is begun
    RUNNER_GONE = "runner.gone"  # a host that is there carries no pipelines out, though it should
    LEFT_ALONE = "host.left_alone"  # something of a host is not used: it fails, or cannot be read
    MAIL_FAILING = "mail.failing"  # alerts cannot be sent by e-mail

    @property
    def kind(self) -> str:
        """Of the things that can be in it."""
        return self.value.partition(".")[0]


COVERS = {State.HUB_GONE: "hub", State.HOST_GONE: "host"}  # what is wrong with everything on it or of it, then


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either a `metric` of things of a `kind` (`bus_schemas/monitor.py`) that is `above` or `below`, until it is back
    at `until`; or a `state`. `ids`: only of these things. It fires when that has lasted for `seconds`, and is resolved
    when it has been well again for `resolve_after`. `words` may name `{id}`, `{host}`, `{hub}`, `{value}`, `{reason}`.
    `webhooks` false: live clients alone are told. `mail`: who gets an e-mail; unless it is given, the file's."""

    severity: AlertSeverity
    words: Words
    state: State | None = None
    kind: str | None = None
    metric: str | None = None
    above: Threshold | None = None
    below: Threshold | None = None
    until: Threshold | None = None
    ids: Annotated[tuple[Pattern, ...], Meta(min_length=1)] = ("*",)
    seconds: Seconds = 0.0
    resolve_after: Seconds = 60.0
    webhooks: bool = True
    mail: Annotated[tuple[Address, ...], Meta(max_length=20)] | None = None

    @property
    def covers(self) -> str:
        return COVERS.get(self.state, "") if self.state is not None else ""

    def is_of(self, id: str) -> bool:
        return any(fnmatchcase(id, pattern) for pattern in self.ids)

    def begins(self, value: float) -> bool:
        return value > self.above if self.above is not None else self.below is not None and value < self.below

    def ends(self, value: float) -> bool:
        if self.until is None:
            return not self.begins(value)
        return value <= self.until if self.above is not None else value >= self.until

    def said(self, *, id: str, host: str, hub: str | None, value: float | None, reason: str) -> str:
        """In one line, and nothing but letters, whatever a PBX or a phone has said: mail servers refuse a NUL."""
        words = self.words.format(
            id=id, host=host, hub=hub or "?", value=0.0 if value is None else value, reason=reason
        )
        plain = "".join(letter if letter.isprintable() else " " for letter in words)
        return " ".join(plain.split())[:LONGEST]


class Mailing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be told together is a group: a rule at a host. Seconds. `wait`: until the first e-mail of a group, in
    which more may come; `interval`: between two of one group; `repeat`: until what fires and nobody has acknowledged
    is told again."""

    wait: Seconds = 15.0
    interval: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    repeat: Annotated[float, Meta(ge=60, le=604_800)] = 14_400.0


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """`mail`: who gets an e-mail of rules that say nothing of it. `host_silent`: seconds after which a host that says
    nothing is away."""

    rules: Annotated[Mapping[Id, Rule], Meta(max_length=MOST_RULES)] = {}
    mail: Annotated[tuple[Address, ...], Meta(max_length=20)] = ()
    mailing: Mailing = Mailing()
    host_silent: Annotated[float, Meta(ge=10, le=600)] = 15.0

    def recipients(self, name: str) -> tuple[str, ...]:
        """Who gets an e-mail of a rule."""
        rule = self.rules.get(name)
        return () if rule is None else self.mail if rule.mail is None else rule.mail

    def told(self, name: str) -> tuple[Channel, ...]:
        """Who is told of a rule's alerts beside live clients."""
        hooks = (Channel.WEBHOOKS,) if self.rules[name].webhooks else ()
        return (*hooks, Channel.MAIL) if self.recipients(name) else hooks

    @cached_property
    def of_metrics(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """The names of the rules about each figure, by kind and metric."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for name, rule in self.rules.items():
            if rule.kind is not None and rule.metric is not None:
                found[rule.kind, rule.metric] = (*found.get((rule.kind, rule.metric), ()), name)
        return found

    @cached_property
    def of_states(self) -> Mapping[State, tuple[str, ...]]:
        """The names of the rules about each state."""
        found: dict[State, tuple[str, ...]] = {}
        for name, rule in self.rules.items():
            if rule.state is not None:
                found[rule.state] = (*found.get(rule.state, ()), name)
        return found

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """What is wrong with values that have the right form: the rule, its key, and why."""
        for name, rule in self.rules.items():
            yield from ((name, key, why) for key, why in _wrong(rule))


def _wrong(rule: Rule) -> Iterator[tuple[str, str]]:
    of_figure = (rule.kind, rule.metric, rule.above, rule.below, rule.until)
    if rule.state is not None:
        if any(one is not None for one in of_figure):
            yield "state", "a rule is about a `state` or about a `metric`, not both"
    elif rule.kind is None or rule.metric is None:
        yield "metric", "it needs a `state`, or a `kind` and a `metric`"
    else:
        yield from _wrong_figure(rule, rule.kind, rule.metric)
    if not names_only(rule.words, NAMED):
        yield "words", "they may name {id}, {host}, {hub}, {value} (a number) and {reason}, and nothing else"


def _wrong_figure(rule: Rule, kind: str, metric: str) -> Iterator[tuple[str, str]]:
    if (kind, metric) not in METRICS:
        known = names_of(kind)
        kinds = sorted({one for one, _ in METRICS})
        which = f"of a {kind} there are {', '.join(known)}" if known else f"there are figures of {', '.join(kinds)}"
        yield "metric" if known else "kind", f"no such metric: {kind} {metric}; {which}"
    if (rule.above is None) == (rule.below is None):
        yield "above" if rule.above is not None else "metric", "it is either `above` or `below` something"
    elif rule.until is not None and (not rule.ends(rule.until) or rule.begins(rule.until)):
        yield "until", "it would begin again as soon as it ends"


def rules_in(file: Path) -> Rules:
    """Raises SettingsError, which names the file, the line and what is wrong."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        rules = msgspec.convert(tomllib.loads(text), Rules, strict=False)
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{file}{_line_of(text, str(error))}: {plainly(error)}") from None
    except (ValueError, RecursionError) as error:  # tomllib's names the line; those of an encoding are values, too
        raise SettingsError(f"{file}: {error}") from None
    for name, key, why in rules.mistakes():
        raise SettingsError(f"{file}:{line_of(text, name, key)}: rules.{name}.{key}: {why}")
    return rules


def line_of(text: str, name: str, key: str) -> int:
    """Where a key of a rule stands, or else the rule."""
    at = 0
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf'\s*\[\s*rules\s*\.\s*"?{re.escape(name)}"?\s*\]', line):
            at = number
        elif at and line.lstrip().startswith("["):
            break
        elif at and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
            return number
    return at or 1


def _line_of(text: str, said: str) -> str:
    """The same for what msgspec says, which does not name the rule: it is the first that cannot be read."""
    rules = tomllib.loads(text).get("rules")
    key = re.search(r"unknown field `([^`]+)`|\$(?:\.rules\[\.\.\.\])?\.([a-z_]+)", said)
    for name, rule in rules.items() if isinstance(rules, dict) else ():
        try:
            msgspec.convert(rule, Rule, strict=False)
        except msgspec.ValidationError:
            return f":{line_of(text, name, (key[1] or key[2]) if key else '')}"
    return ""
