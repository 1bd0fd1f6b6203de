"""What is done about a phone that is not well, and when it is left alone. Pure.

A ladder per phone: the mildest thing that may help first, then a pause in which it can, then the next; at the end the
phone is in quarantine, and somebody is told why. What was done counts for as long as the phone has not been well for a
while: one that comes back for a moment goes on where it was. How often each thing is done to a phone in an hour and in
a day is bounded by what is on record of it, so that no restart of a host begins the count anew.

Nothing is done to a phone that somebody holds, be it a call, a script or somebody's hands; and what would end a call is
not done to one that may be in a call which nobody here knows.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from actors.healing.policy import Policy, SymptomRule
from actors.slot.healing import AWAY, SMALLEST_HUB
from bus_schemas.slot_health import ENDS_CALLS, Rung, Symptom

HOUR, DAY = 3600.0, 86_400.0


class Done(Struct, frozen=True, kw_only=True):
    """Something that was done about a phone, when (epoch seconds)."""

    rung: Rung
    at: float


class Patient(Struct, frozen=True, kw_only=True):
    """What is known of a phone's ladder. Seconds, monotonic. `since`: for how long it has the symptom; `tried`: what
    was done about it, the last at `tried_at`; `well`: since when it is well.
    `given_up`: nothing more is done until it is well, or somebody was there."""

    symptom: Symptom | None = None
    since: float = 0.0
    tried: tuple[Rung, ...] = ()
    tried_at: float = 0.0
    well: float | None = None
    given_up: bool = False


class Seen(Struct, frozen=True, kw_only=True):
    """How a phone is now. `pending`: it is being restarted, or nobody knows. `held`: somebody works with it. `in_call`:
    it is in a call, or was when it was last heard of. `can`: what can be done to it. `done`: what was, in the last day.
    `quarantined`: for which symptom it is left alone."""

    symptom: Symptom | None = None
    pending: bool = False
    held: bool = False
    in_call: bool = False
    hub: str | None = None
    can: frozenset[Rung] = frozenset(Rung)
    done: tuple[Done, ...] = ()
    quarantined: Symptom | None = None


class Try(Struct, frozen=True):
    """Do this about it."""

    symptom: Symptom
    rung: Rung


class GiveUp(Struct, frozen=True):
    """Leave it alone from now on, and say why."""

    symptom: Symptom
    reason: str
    to_do: str


class LetGo(Struct, frozen=True):
    """It was well for long enough: use it again."""


Act = Try | GiveUp | LetGo


def plan(
    patients: Mapping[int, Patient], seen: Mapping[int, Seen], policy: Policy, *, now: float, epoch: float
) -> tuple[dict[int, Patient], dict[int, Act]]:
    """What is to be done now about the phones of a host, by slot. `now`: monotonic, `epoch`: of the wall clock."""
    unplugged, away = hubs_away(seen.values(), (Symptom.ABSENT,)), hubs_away(seen.values(), AWAY)
    after: dict[int, Patient] = {}
    acts: dict[int, Act] = {}
    under_way = Counter(
        seen[slot].hub for slot, patient in patients.items() if slot in seen and _is_under_way(patient, policy, now)
    )
    for slot, one in seen.items():
        if one.hub in unplugged and one.symptom is not None:
            one = replace(one, pending=True)  # it is the hub that somebody has to look after
        after[slot], act = step(patients.get(slot, Patient()), one, policy, now=now, epoch=epoch)
        if isinstance(act, GiveUp) and one.hub in away:
            after[slot], act = replace(after[slot], given_up=False), None
        if isinstance(act, Try):
            if under_way[one.hub] >= policy.at_once:
                after[slot], act = _waits(after[slot], patients.get(slot)), None
            else:
                under_way[one.hub] += 1
        if act is not None:
            acts[slot] = act
    return after, acts


def step(
    patient: Patient, seen: Seen, policy: Policy, *, now: float, epoch: float
) -> tuple[Patient, Act | None]:
    """The ladder of one phone, as it is now."""
    if seen.pending:
        return replace(patient, well=None), None
    if seen.symptom is None:
        return _well(patient, seen, policy, now)
    if patient.given_up and seen.quarantined is None and not policy.dry_run:
        patient = Patient()  # somebody was there, and has restarted it
    if patient.symptom is not seen.symptom:
        patient = replace(patient, symptom=seen.symptom, since=now)
    patient = replace(patient, well=None)
    rule = policy.symptoms.get(seen.symptom)
    if patient.given_up or seen.quarantined is not None or seen.held or rule is None:
        return patient, None
    if now - patient.since < rule.after or _is_under_way(patient, policy, now):
        return patient, None
    rung = next(_left(patient, seen, rule, policy, epoch), None)
    if rung is None:
        return replace(patient, given_up=True), GiveUp(seen.symptom, _reason(patient, seen, rule), rule.to_do)
    tried = (*patient.tried, rung)
    return replace(patient, tried=tried, tried_at=now), Try(seen.symptom, rung)


def hubs_away(seen: Iterable[Seen], away: Container[Symptom]) -> set[str]:
    """Hubs all of whose phones have one of these symptoms, but for those that are being restarted: no phone of theirs
    is to blame."""
    phones, there = Counter[str](), set[str]()
    for one in seen:
        if one.hub is not None:
            phones[one.hub] += 1
            if not one.pending and one.symptom not in away:
                there.add(one.hub)
    return {hub for hub, number in phones.items() if number >= SMALLEST_HUB and hub not in there}


def _well(patient: Patient, seen: Seen, policy: Policy, now: float) -> tuple[Patient, Act | None]:
    well = now if patient.well is None else patient.well
    patient = replace(patient, well=well)
    if now - well < policy.well_after(seen.quarantined or patient.symptom):
        return patient, None
    return Patient(well=well), LetGo() if seen.quarantined is not None else None


def _is_under_way(patient: Patient, policy: Policy, now: float) -> bool:
    """Whether what was done last may still help."""
    if not patient.tried or patient.well is not None:
        return False
    rule = policy.rungs.get(patient.tried[-1])
    return rule is not None and now - patient.tried_at < rule.wait


def _waits(after: Patient, before: Patient | None) -> Patient:
    """It would be its turn, if others of its hub were not."""
    return replace(after, tried=after.tried[:-1], tried_at=before.tried_at if before is not None else 0.0)


def _left(
    patient: Patient, seen: Seen, rule: SymptomRule, policy: Policy, epoch: float
) -> Iterator[Rung]:
    """What can still be done about it, in its order."""
    for rung in rule.rungs:
        if rung in patient.tried or rung not in seen.can or (seen.in_call and rung in ENDS_CALLS):
            continue
        last = [epoch - done.at for done in seen.done if done.rung is rung]
        of_rung = policy.rungs[rung]
        if sum(age < HOUR for age in last) < of_rung.per_hour and sum(age < DAY for age in last) < of_rung.per_day:
            yield rung


def _reason(patient: Patient, seen: Seen, rule: SymptomRule) -> str:
    """For people: what is wrong, what was done, and what was not."""
    tried = [rung for rung in patient.tried if rung in rule.rungs]
    words = [rule.reason]
    if tried:
        words.append(f"done in vain: {', '.join(tried)}")
    spared = [one for one in rule.rungs if seen.in_call and one in seen.can & ENDS_CALLS and one not in tried]
    if spared:
        words.append(f"not done, since it was in a call when it was last heard of: {', '.join(spared)}")
    often = [rung for rung in rule.rungs if rung in seen.can and rung not in (*tried, *spared)]
    if often:
        words.append(f"not done again, since it was done as often as it may be: {', '.join(often)}")
    return "; ".join(words)
