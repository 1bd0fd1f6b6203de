"""Zones by their names, and of numbers."""

from zoneinfo import available_timezones

import phonenumbers
import pytest

from actors.telephony.numbers import COUNTRIES, KINDS, in_parts
from actors.telephony.zones import NotAZone, not_a_zone, zone, zones_of


def test_every_zone_that_numbers_ring_in_is_known_here() -> None:
    tried = unknown = 0
    known = available_timezones()
    for region in sorted(COUNTRIES):
        example = phonenumbers.example_number(region)
        names = zones_of(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)) if example else ()
        tried, unknown = tried + 1, unknown + (not names)
        assert all(zone(name) and name in known for name in names), region
    print(f"{tried} countries tried, {unknown} of no known zone")
    assert unknown < 10


def test_a_number_in_parts_is_what_is_read_of_it() -> None:
    tried = 0
    for region in sorted(COUNTRIES):
        for kind in KINDS:
            example = phonenumbers.example_number_for_type(region, kind)
            written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164) if example else ""
            if example and phonenumbers.parse(written) == example:  # some are others when they are read again
                tried += 1
                assert in_parts(written) == example, written
    print(f"{tried} numbers tried")
    assert tried > 1000


def test_a_number_that_belongs_to_no_place_may_ring_anywhere_in_its_country() -> None:
    assert zones_of("+380991230006") == ("Europe/Kyiv",)
    assert zones_of("+13055551234") == ("America/New_York",)
    assert {"Pacific/Honolulu", "America/New_York"} < {*zones_of("+18005551234")}
    assert zones_of("+88213300655") == zones_of("+999") == zones_of("no number") == ()


@pytest.mark.parametrize("name", ["", "Europe/Kyyiv", "Europe", "../../etc/passwd", "/etc/localtime", "UTC+2", "\0"])
def test_what_is_no_zone_says_so(name: str) -> None:
    assert "there is no zone" in str(not_a_zone(name))
    with pytest.raises(NotAZone, match="there is no zone"):
        zone(name)
