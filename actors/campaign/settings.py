"""The settings of campaigns."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.campaign.rules import Rules

BUILT_IN = Path(__file__).resolve().parents[2] / "config" / "rules"


class Campaigns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rules`: the folder of the presets that hold for all campaigns, each for the numbers of its countries; empty:
    those that come with the program. `presets`: only these of them, by name; null: all. `site`: the site's own rules
    for all numbers; of these, the presets and a campaign's settings the strictest hold. `do_not_call`: the list on
    which an operator's word puts the number of a campaign's call: the one for all calls, or the campaign's own.
    `running_per_user`: how many campaigns of one user run at once on a host; `kept_per_user`: how many there are, but
    archived ones; `leads`: how many one campaign has, at most."""

    rules: str = ""
    presets: tuple[str, ...] | None = None
    site: Rules = Rules()
    do_not_call: Literal["global", "campaign"] = "global"
    running_per_user: Annotated[int, Meta(ge=1)] = 100
    kept_per_user: Annotated[int, Meta(ge=1)] = 5_000
    leads: Annotated[int, Meta(ge=1)] = 1_000_000

    @property
    def folder(self) -> Path:
        return Path(self.rules) if self.rules else BUILT_IN
