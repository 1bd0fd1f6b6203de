"""Time zones by their names, and those in which a number may ring. Pure."""

import difflib
from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from phonenumbers import timezone

from actors.telephony.numbers import NotANumber, in_parts


class NotAZone(ValueError):
    """There is no such zone. The message says so in words."""


def zone(name: str) -> tzinfo:
    """The zone. Raises NotAZone."""
    if name == "UTC":  # is there also where the system has no list of zones
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of that name, no name of a zone, or a folder of zones
        raise NotAZone(f"there is no zone `{name}`{_perhaps(name)}") from None


@cache
def known_zones() -> frozenset[str]:
    """The names of all zones, as they were when they were first asked for: to look is slow."""
    return frozenset({"UTC", *available_timezones()})


def not_a_zone(name: str) -> str | None:
    """What is wrong with the name of a zone, in words. None: nothing."""
    if name in known_zones():
        return None
    return f"there is no zone `{name}`{_perhaps(name)}"


def zones_of(e164: str) -> tuple[str, ...]:
    """All zones in which the number may ring, as far as `phonenumbers` knows its beginning. Empty: nobody knows. A
    mobile, and a number that belongs to no place, may ring in all zones of its country."""
    try:
        found = timezone.time_zones_for_number(in_parts(e164))
    except NotANumber:
        return ()
    return () if timezone.UNKNOWN_TIMEZONE in found else tuple(found)


def _perhaps(name: str) -> str:
    known = {zone.lower(): zone for zone in available_timezones()}
    if not known:
        return ": this system has no list of zones (tzdata)"
    alike = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8)
    return f", perhaps `{known[alike[0]]}`" if alike else ""
