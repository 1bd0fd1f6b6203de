"""`ottb alerts`: what fires, and who is not to be told of it."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from bus_schemas.alert import AlertSeverity, AlertView, Matcher, SilenceView
from cli.gateway import NotDone

_SPAN = re.compile(r"([0-9]{1,4})(m|h|d)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def rows(alerts: Iterable[AlertView]) -> Iterator[str]:
    """One line for each, the newest first."""
    for one in alerts:
        by = f" [{one.acknowledged_by}]" if one.acknowledged_by is not None else ""
        quiet = " (silenced)" if one.silence is not None else ""
        at = (one.resolved or one.fired or one.since)[:19]
        yield f"{one.alert}  {one.severity:8} {one.state:8} {at}  {one.words}{by}{quiet}"


def silences(found: Iterable[SilenceView]) -> Iterator[str]:
    """One line for each."""
    for one in found:
        given = ((name, getattr(one.matcher, name)) for name in one.matcher.__struct_fields__)
        which = " ".join(f"{name}={value}" for name, value in given if value is not None)
        yield f"{one.silence}  until {one.until[:19]}  {which}  {one.by}: {one.why}"


def matcher(
    *, rule: str | None, severity: str | None, slot: int | None, hub: str | None, host: str | None
) -> Matcher:
    """Which alerts are meant. Raises NotDone where nothing is said."""
    of_slot = {"kind": "slot", "id": str(slot)} if slot is not None else {}
    found = Matcher(
        rule=rule, severity=AlertSeverity(severity) if severity is not None else None, hub=hub, host=host, **of_slot
    )
    if found.is_empty:
        raise NotDone("which alerts? Say --rule, --severity, --slot, --hub or --host")
    return found


def until(span: str, now: datetime) -> str:
    """When `30m`, `2h` or `3d` are over. Raises NotDone."""
    said = _SPAN.match(span)
    if said is None:
        raise NotDone(f"for how long? {span} is not like 30m, 2h or 3d")
    return (now.astimezone(UTC) + timedelta(**{_UNITS[said[2]]: int(said[1])})).isoformat()
