"""The dial rules of a site, from its settings."""

from pathlib import Path

from actors.dialing.rules import DialRules, may_be_listed, parse_window
from actors.dialing.settings import Dial
from actors.runtime.settings import SettingsError
from actors.telephony.lists import allowed_of, numbers_in, numbers_of


def rules_of(dial: Dial) -> DialRules:
    """The dial rules of these settings. Raises SettingsError."""
    region, file = dial.site_region, dial.do_not_call_file
    allowed = allowed_of(dial.premium_allowed, region, "dial.premium_allowed[{}]")
    may_be_called = may_be_listed(allowed)
    do_not_call = numbers_of(dial.do_not_call, region, "dial.do_not_call[{}]", may_be_called)
    if file:
        do_not_call |= numbers_in(Path(file), region, "dial.do_not_call_file", may_be_called)
    try:
        window = parse_window(dial.hours)
    except ValueError as error:
        raise SettingsError(f"dial: {error}") from None
    return DialRules(
        site_region=region,
        countries=frozenset(dial.countries),
        do_not_call=do_not_call,
        premium_allowed=allowed,
        window=window,
        timezone=dial.timezone,
    )
