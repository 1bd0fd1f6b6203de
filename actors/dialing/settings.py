"""The settings of the dial rules and limits."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import Region


class Dial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dial rules and limits. `countries` empty: only the SIM's own. `premium_allowed`: numbers that may be called
    although they cost more than others, or nobody knows what; `+44843*`: all that begin so. `hours`: "08:00-21:00" in
    `timezone`, or empty for always. Limits: calls started per minute and calls at once by one user, calls per hour on
    one slot, trunk calls at once with one slot's extension, and the share of the pool's slots that one user may hold
    (1.0: all of them; one at least)."""

    site_region: Region = "UA"
    countries: tuple[Region, ...] = ()
    premium_allowed: tuple[str, ...] = ()
    do_not_call: tuple[str, ...] = ()
    do_not_call_file: str | None = None
    hours: str = ""
    timezone: str = "UTC"
    user_calls_per_minute: Annotated[int, Meta(ge=1)] = 600
    user_concurrent_calls: Annotated[int, Meta(ge=1)] = 200
    slot_calls_per_hour: Annotated[int, Meta(ge=1)] = 240
    user_pool_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    extension_calls: Annotated[int, Meta(ge=1)] = 1
