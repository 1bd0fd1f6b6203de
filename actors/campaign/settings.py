"""The settings of campaigns."""

from pathlib import Path

from msgspec import Struct

BUILT_IN = Path(__file__).resolve().parents[2] / "config" / "rules"


class Campaigns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rules`: the folder of the presets that hold for all campaigns, each for the numbers of its countries; empty:
    those that come with the program. `presets`: only these of them, by name; null: all."""

    rules: str = ""
    presets: tuple[str, ...] | None = None

    @property
    def folder(self) -> Path:
        return Path(self.rules) if self.rules else BUILT_IN
