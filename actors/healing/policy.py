"""What is done about phones that are not well: data, in one file (`config/healing.toml`). What is wrong in it stops the
start, with its place.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.healing.charging import Charging
from actors.monitor.thresholds import Threshold, names_only
from actors.runtime.settings import SettingsError
from actors.slot.healing import CHARGE_HELD
from bus_schemas.fields import Id, plainly
from bus_schemas.monitor import names_of
from bus_schemas.slot_health import Rung, Symptom

BUILT_IN = Path(__file__).resolve().parents[2] / "config" / "healing.toml"

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Text = Annotated[str, Meta(min_length=1, max_length=300)]


class RungRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`wait`: seconds in which it may help, before the next one. `per_hour`, `per_day`: how often for one phone."""

    wait: Seconds
    per_hour: Annotated[int, Meta(ge=0, le=1_000)]
    per_day: Annotated[int, Meta(ge=0, le=10_000)]


class SymptomRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after`: seconds for which it lasts until anything is done. `rungs`: what, in this order. `well_for`: instead of
    the policy's. `reason`, `to_do`: what people are told at the end."""

    after: Seconds
    rungs: tuple[Rung, ...]
    reason: Text
    to_do: Text
    well_for: Seconds | None = None


class ConditionRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric of slots (`bus_schemas/monitor.py`) that is `above` or `below` for so many `seconds`, until it is back
    at `until`. `words` may name the `{value}`."""

    metric: str
    until: Threshold
    words: Text
    above: Threshold | None = None
    below: Threshold | None = None
    seconds: Seconds = 0.0
    refuses_calls: bool = False

    def begins(self, value: float) -> bool:
        return value > self.above if self.above is not None else self.below is not None and value < self.below

    def said(self, value: float) -> str:
        return self.words.format(value=value)

    def ends(self, value: float) -> bool:
        return value <= self.until if self.above is not None else value >= self.until


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`dry_run`: it is only said what would be done. `at_once`: phones of one hub that something is done about at the
    same time. `well_for`: seconds for which a phone is well until its ladder begins anew and its quarantine is over."""

    rungs: Mapping[Rung, RungRule]
    symptoms: Mapping[Symptom, SymptomRule]
    conditions: Mapping[Id, ConditionRule] = {}
    charging: Charging = Charging()
    dry_run: bool = False
    at_once: Annotated[int, Meta(ge=1, le=1_000)] = 2
    well_for: Seconds = 60.0

    def well_after(self, symptom: Symptom | None) -> float:
        """Seconds for which a phone is well until it is believed to be."""
        rule = self.symptoms.get(symptom) if symptom is not None else None
        return self.well_for if rule is None or rule.well_for is None else rule.well_for

    def but_dry(self) -> "Policy":
        """The same, and nothing is done."""
        return replace(self, dry_run=True)

    def mistakes(self) -> Iterator[str]:
        """What is wrong with values that have the right form, each with its place."""
        for symptom, rule in self.symptoms.items():
            for rung in rule.rungs:
                if rung not in self.rungs:
                    yield f"symptoms.{symptom}.rungs: there is no [rungs.{rung}]"
            if len(set(rule.rungs)) != len(rule.rungs):
                yield f"symptoms.{symptom}.rungs: one stands there twice"
        if self.charging.low >= self.charging.high:
            yield "charging.low: it is not below `high`"
        for name, condition in self.conditions.items():
            if name == CHARGE_HELD:
                yield f"conditions.{name}: that is said of a slot whose port is off ([charging])"
            yield from (f"conditions.{name}.{mistake}" for mistake in _wrong(condition))


def _wrong(rule: ConditionRule) -> Iterator[str]:
    if rule.metric not in (known := names_of("slot")):
        yield f"metric: no such metric: {rule.metric}; there are {', '.join(known)}"
    if (rule.above is None) == (rule.below is None):
        yield "above: it is either `above` or `below`"
    elif not rule.ends(rule.until) or rule.begins(rule.until):
        yield "until: it would begin again as soon as it ends"
    if not names_only(rule.words):
        yield "words: they may name the {value}, as a number, and nothing else"


def policy_in(file: Path) -> Policy:
    """Raises SettingsError, which names the file and the place."""
    try:
        data = tomllib.loads(file.read_text())
        policy = msgspec.convert(data, Policy, strict=False)
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # msgspec's, tomllib's and those of an encoding are values
        raise SettingsError(f"{file}: {plainly(error)}") from None
    for mistake in policy.mistakes():
        raise SettingsError(f"{file}: {mistake}")
    return policy
