"""Orders about a phone's screens: how they look, and what comes in between."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict as fields_of

from bus_schemas.fields import shaped
from simulators.orders import Plain
from simulators.phone.screens.profile import LARGE, SMALL, Language
from simulators.phone.screens.screens import Screens

SIZES = {"large": LARGE, "small": SMALL}
Chance = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=600)]
Pin = Annotated[str, shaped(r"^[0-9]{0,16}$(?!\n)", "a PIN of digits, or nothing")]
LOOKS = ("layout", "language", "helper", "moves")
SHOWN = 200  # lines of the log


class Screen(Plain, frozen=True, kw_only=True):
    """What the screens are from now on. What is not given stays. `seed`: chance begins anew, from there; `turned`: how
    the phone is held, in quarters."""

    layout: Literal[1, 2] | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    size: Literal["large", "small"] | UnsetType = UNSET
    pin: Pin | UnsetType = UNSET
    helper: bool | UnsetType = UNSET
    moves: Seconds | UnsetType = UNSET
    turned: Literal[0, 1, 2, 3] | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    popups: Chance | UnsetType = UNSET
    not_idle: Chance | UnsetType = UNSET
    no_root: Chance | UnsetType = UNSET
    crash: Chance | UnsetType = UNSET
    elsewhere: Chance | UnsetType = UNSET
    ticking: Chance | UnsetType = UNSET
    gives_up: Seconds | UnsetType = UNSET


def change(screens: Screens, order: Screen) -> None:
    """Do what the order says."""
    given = {name: value for name, value in fields_of(order).items() if value is not UNSET}
    screens.troubles = replace(
        screens.troubles, **{name: value for name, value in given.items() if hasattr(screens.troubles, name)}
    )
    looks: dict[str, Any] = {name: given[name] for name in LOOKS if name in given}
    if "size" in given:
        looks["display"] = SIZES[given["size"]]
    screens.profile = replace(screens.profile, **looks)
    screens.turned = given.get("turned", screens.turned)
    if "pin" in given:
        screens.use_pin(given["pin"])
    if "seed" in given:
        screens.chance.seed(given["seed"])


def shown(screens: Screens) -> dict[str, Any]:
    """What is in front, how the screens look, and the newest of what was really done."""
    window, profile = screens.active(), screens.profile
    return {
        "front": "" if window is None else window.name,
        "layout": profile.layout,
        "language": profile.language.value,
        "size": next((name for name, size in SIZES.items() if size == profile.display), "other"),
        "did": [asdict(line) for line in screens.log[-SHOWN:]],
    }
