"""How the dialers start."""

from pathlib import Path

from actors.dialing.rules import DialRules, parse_window
from actors.dialing.settings import Dial
from actors.runtime.settings import SettingsError


def rules_of(dial: Dial) -> DialRules:
    """The dial rules of these settings. Raises SettingsError."""
    numbers = set(dial.do_not_call)
    try:
        if dial.do_not_call_file:
            numbers |= {line.strip() for line in Path(dial.do_not_call_file).read_text().splitlines() if line.strip()}
        window = parse_window(dial.hours)
    except (OSError, ValueError) as error:
        raise SettingsError(f"dial: {error}") from None
    return DialRules(
        site_region=dial.site_region,
        countries=frozenset(dial.countries),
        do_not_call=frozenset(numbers),
        window=window,
        timezone=dial.timezone,
    )
