"""How a slot's phone is, what the platform did about it by itself, and when it gave up."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.fields import Utc

ConditionName = Annotated[str, Meta(examples=["hot"])]


class Symptom(StrEnum):
    """What is wrong with the way to a phone, or with the phone."""

    SILENT = "silent"  # adb lists it, and it does not answer
    MUTE = "mute"  # it answers, but does not tell its calls
    OFFLINE = "offline"  # adb lists it as offline, or in recovery
    UNAUTHORIZED = "unauthorized"  # it has not accepted this host's key
    ABSENT = "absent"  # adb does not list it
    CANNOT_HANG_UP = "cannot_hang_up"
    ASKS_SIM = "asks_sim"  # which SIM to call with
    ASKS_APP = "asks_app"  # which app to call with


class Rung(StrEnum):
    """What may be done about it, from the mildest on."""

    RECONNECT = "reconnect"  # everything of ours that is open to the phone is opened anew
    ADB_RECONNECT = "adb_reconnect"  # the adb server's own connection to it
    PORT_POWER = "port_power"  # its USB port is switched off and on, where the hub can
    REBOOT = "reboot"


# What ends a call that is up: the others reach no further than a host and its adb server.
ENDS_CALLS = frozenset({Rung.PORT_POWER, Rung.REBOOT})


class Condition(Struct, frozen=True, kw_only=True):
    """How a phone is that somebody should look after. `words` for people, with the figure at its beginning;
    `refuses_calls`: nothing is dialled with it as long as it lasts."""

    name: ConditionName
    words: str
    since: Utc
    refuses_calls: bool = False


class Quarantine(Struct, frozen=True, kw_only=True):
    """The platform has given up: it dials nothing with the phone and does nothing more to it until it is well by itself
    or somebody restarts the slot or the phone. `to_do`: what a person can do."""

    since: Utc
    symptom: Symptom
    reason: str
    to_do: str


# --- events ---------------------------------------------------------------------------------------------------


class SlotHealed(Struct, frozen=True, kw_only=True):
    """Something is done about a phone. `dry_run`: it is only said."""

    slot: int
    at: Utc
    symptom: Symptom
    rung: Rung
    dry_run: bool = False


class SlotQuarantined(Struct, frozen=True, kw_only=True):
    """Nothing more is done by itself. `dry_run`: it is only said."""

    slot: int
    at: Utc
    symptom: Symptom
    reason: str
    to_do: str
    dry_run: bool = False

    @property
    def quarantine(self) -> Quarantine:
        """What it begins."""
        return Quarantine(since=self.at, symptom=self.symptom, reason=self.reason, to_do=self.to_do)


class SlotReleased(Struct, frozen=True, kw_only=True):
    """It is used again: the phone was well for long enough."""

    slot: int
    at: Utc


class SlotConditionsChanged(Struct, frozen=True, kw_only=True):
    """How the phone is from now on, whole."""

    slot: int
    at: Utc
    conditions: tuple[Condition, ...]
