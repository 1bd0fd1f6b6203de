"""The rules that hold for the numbers of a campaign: the strictest of presets, the site and its own settings. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from actors.campaign.hours import ALWAYS, Hours, parse_hours
from actors.campaign.pacing import Plan
from actors.campaign.presets import Preset, rules_for
from actors.campaign.rules import Attempt, Rules, Verdict, open_by
from actors.telephony.numbers import Number, home_of
from bus_schemas.campaign import CampaignSettings, Mode, Operators
from bus_schemas.errors import misfit

WINDOWS = 6  # of one day: the next moment that is in one of them on all clocks of a number is looked for one by one
WORDS = 300  # characters of what is said of a setting, in which some of it is repeated

Elsewhere = Callable[[str], Sequence[Attempt]]


class RuleBook:
    """`site`: its own rules. `held_until`: until when a number is on a do-not-call list, in seconds since 1970: 0: on
    none, infinity: for ever. `elsewhere`: attempts of other campaigns on a number. `dials`: the hours in which the site
    dials anybody, on its own clock. One for each campaign: it keeps the rules of the settings that it was asked for
    last.
    """

    def __init__(
        self,
        *,
        presets: Iterable[Preset] = (),
        site: Rules | None = None,
        held_until: Callable[[str], float] = lambda number: 0.0,
        elsewhere: Elsewhere = lambda number: (),
        dials: tuple[Hours, tzinfo] = (ALWAYS, UTC),
    ) -> None:
        self.held_until = held_until
        self.elsewhere = elsewhere
        self._dials = dials
        self._presets = tuple(presets)
        self._site = site or Rules()
        parts = [part for preset in self._presets for part in preset.parts]
        self._beginnings = {beginning for part in parts for beginning in part.beginnings}
        self._lengths = sorted({len(beginning) for beginning in self._beginnings})
        self._settings: CampaignSettings | None = None
        self._known: dict[object, Rules] = {}  # by what presets ask of a number: to join rules is slow

    def copy(self) -> "RuleBook":
        """Another one of the same rules, for who asks at the same time."""
        return RuleBook(
            presets=self._presets, site=self._site, held_until=self.held_until, elsewhere=self.elsewhere,
            dials=self._dials,
        )  # fmt: skip

    def site_dials(self, now: datetime) -> Verdict:
        """Whether the site dials anybody now."""
        hours, zone = self._dials
        return open_by((zone,), hours, now)

    def cap(self, settings: CampaignSettings) -> float:
        """The share of answered calls that may be abandoned, whatever the number: of site, settings and presets for all
        numbers the lowest."""
        of_all = (preset.rules for preset in self._presets if not preset.countries)
        shares = (rules.abandoned_share for rules in (self._site, *of_all))
        return min(share for share in (settings.abandoned_share, *shares) if share is not None)

    def plan_for(self, e164: str, settings: CampaignSettings) -> Plan:
        """How to pace, while this number is the next one: with the lowest cap of all that hold for it."""
        cap = self.rules_for(e164, settings).abandoned_share
        return Plan(mode=settings.mode, ratio=settings.ratio, cap=1.0 if cap is None else cap)

    def rules_for(self, e164: str, settings: CampaignSettings) -> Rules:
        """What holds for a number in a campaign with these settings. Raises Refusal for settings that are no rules."""
        if settings is not self._settings:
            self._settings, self._known = settings, {}
        country, part = home_of(e164)
        alike = (country, part, self._beginnings_of(e164))
        found = self._known.get(alike)
        if found is None:
            number = Number(e164=e164, country=country, part=part, kind="unknown")  # nobody asked
            found = self._known[alike] = rules_for(number, self._presets, self._site, rules_of(settings))
        return found

    def _beginnings_of(self, e164: str) -> tuple[str, ...]:
        heads = (e164[:length] for length in self._lengths)
        return tuple(head for head in heads if head in self._beginnings)


def must_be_rules(settings: CampaignSettings, within: str = "settings.") -> None:
    """Raise Refusal(INVALID_PARAMS), which names the field, for settings that are no rules, or whose hours have so many
    windows that it takes long to find the next one. What is on record is followed, however many it has."""
    if settings.mode is Mode.PREVIEW and settings.operators is not Operators.TEAM:
        raise misfit(f"{within}mode", "`preview` is for a `team` of `operators`, who look at a lead before its call.")
    texts = [settings.hours] if isinstance(settings.hours, str) else settings.hours.values()
    few = all(text.count(",") < WINDOWS for text in texts)
    if not few or any(len(day) > WINDOWS + 1 for day in rules_of(settings, within).hours.days):  # 1: over midnight
        raise misfit(f"{within}hours", f"more than {WINDOWS} windows on one day.")


def rules_of(settings: CampaignSettings, within: str = "settings.") -> Rules:
    """A campaign's own rules. Raises Refusal(INVALID_PARAMS), which names the field, that is `within` a request."""
    try:
        hours = parse_hours(settings.hours)
    except ValueError as error:
        raise misfit(f"{within}hours", str(error)[:WORDS]) from None
    try:
        return Rules(
            hours=hours,
            abandoned_share=settings.abandoned_share,
            attempts_per_lead=settings.attempts_per_lead,
            attempts_per_number=settings.attempts_per_number,
            attempts_per_day=settings.attempts_per_day,
            attempts_per_30_days=settings.attempts_per_30_days,
            pause_minutes=settings.pause_minutes,
            retry_minutes=settings.retry_minutes,
            quiet_hours=settings.quiet_hours,
            final=frozenset(settings.final),
            consent=settings.consent,
        )
    except ValueError as error:
        field, _, why = str(error).partition(": ")
        raise misfit(f"{within}{field}", why[:WORDS]) from None
