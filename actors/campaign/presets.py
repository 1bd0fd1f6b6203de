"""Presets: the rules of countries, as data (`config/rules/*.toml`), each with its source. `as_of`: the day of the text
that is cited; whether it was changed since, nobody has looked. What is wrong in one stops the start, with its place.

Not legal advice: whoever runs a site answers for its rules, and may make them stricter in the settings.
"""

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.campaign.hours import read_hours
from actors.campaign.rules import Rules, strictest
from actors.campaign.settings import Campaigns
from actors.runtime.settings import SettingsError
from actors.telephony.numbers import Number, not_a_country
from bus_schemas.fields import Id, Region, plainly, shaped

Text = Annotated[str, Meta(min_length=1)]
Beginning = Annotated[str, shaped(r"^\+[1-9][0-9]{0,14}$(?!\n)", "the beginning of a number, like `+1305`")]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stricter rules for numbers that begin so: of a state, as a rule."""

    name: Text
    beginnings: Annotated[tuple[Beginning, ...], Meta(min_length=1)]
    rules: Rules
    source: Text
    as_of: date


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules for numbers of some countries; without any, for all numbers. `note`: what no rule here says."""

    name: Id
    source: Text
    as_of: date
    rules: Rules
    countries: tuple[Region, ...] = ()
    parts: tuple[Part, ...] = ()
    note: str = ""

    def rules_for(self, number: Number) -> Rules:
        """What it says of a number. Nothing, where it is not for its country."""
        if self.countries and not {number.country, number.part} & {*self.countries}:
            return Rules()
        parts = (part.rules for part in self.parts if number.e164.startswith(part.beginnings))
        return strictest(self.rules, *parts)


def rules_for(number: Number, presets: Iterable[Preset], *more: Rules) -> Rules:
    """What holds for a number: the strictest of all presets and of the site's and the campaign's own rules."""
    return strictest(*(preset.rules_for(number) for preset in presets), *more)


def presets_in(folder: Path) -> tuple[Preset, ...]:
    """The presets of a folder, by name. Raises SettingsError, which names the file and the place."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise SettingsError(f"{folder}: there are no presets of rules")
    return tuple(_preset(file) for file in files)


def presets_of(settings: Campaigns) -> tuple[Preset, ...]:
    """The presets that hold at a site. Raises SettingsError, which names the file or the setting."""
    if settings.presets == () and not settings.rules:  # none of those that come with the program
        return ()
    found = presets_in(settings.folder)
    if settings.presets is None:
        return found
    for at, name in enumerate(settings.presets):
        if name not in {preset.name for preset in found}:
            raise SettingsError(f"campaigns.presets[{at}]: {settings.folder} has no preset `{name}`")
    return tuple(preset for preset in found if preset.name in settings.presets)


def _preset(file: Path) -> Preset:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        preset = msgspec.convert(values, Preset, dec_hook=read_hours)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{file}: {plainly(error)}") from None
    if preset.name != file.stem:
        raise SettingsError(f"{file}: its `name` is `{preset.name}`")
    for at, country in enumerate(preset.countries):
        if (wrong := not_a_country(country)) is not None:
            raise SettingsError(f"{file}: countries[{at}]: {wrong}")
    return preset
