"""The settings of calls."""

from typing import Annotated

from msgspec import Meta, Struct

from actors.runtime.settings import Seconds


class Calls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long calls wait, in seconds. `created`: the phone must show the call, and no order to dial is under way
    longer; `lost`: an unreachable phone."""

    ring_timeout: Seconds = 60.0
    max_duration: Seconds = 4 * 3600.0
    created_timeout: Annotated[float, Meta(ge=13)] = 15.0
    hangup_timeout: Seconds = 5.0
    lost_timeout: Seconds = 30.0
