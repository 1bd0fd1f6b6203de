"""The port a slot uses to work with its phone, and what a phone may report."""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from msgspec import Struct

from actors.slot.screen import Screen
from actors.telephony.reports import CallSeen, HoldSeen, LinkChanged, Look


class Health(Struct, frozen=True, kw_only=True):
    """Figures of one phone, None where it does not tell. Percentages 0-100, temperature in degrees Celsius."""

    model: str | None = None
    android: str | None = None
    battery: int | None = None
    temperature: float | None = None
    charging: bool | None = None
    battery_health: str | None = None  # `good`, `overheat`, `dead` ...
    battery_frozen: bool | None = None  # its figures are what somebody has set, or what they were then
    cpu: float | None = None
    ram: float | None = None
    storage: float | None = None  # of what apps and files share
    storage_free_mb: int | None = None
    latency_ms: float | None = None  # round trip host - phone over adb
    uptime_s: float | None = None
    operator: str | None = None
    sim: str | None = None  # READY, ABSENT, PIN_REQUIRED ...
    sim_operators: tuple[str, ...] = ()  # of its SIMs: the country's and the network's code (25501)
    iccids: tuple[str, ...] = ()  # of its SIMs, as far as the phone shows them: many show the first nine digits
    in_service: bool | None = None  # the voice network accepts calls
    network_type: str | None = None
    signal_level: int | None = None  # 0-4
    roaming: bool | None = None
    data_mb: float | None = None  # sent and received over the mobile network since the phone has started


class HealthRead(Struct, frozen=True, kw_only=True):
    """A fresh health reading."""

    health: Health


class ShellResult(Struct, frozen=True, kw_only=True):
    """What a command on the phone did. `output` holds stdout then stderr, cut at the asked size."""

    exit_code: int
    output: str
    truncated: bool


class Trouble(Enum):
    """What makes a phone unfit to be dialled with."""

    HANG_UP = "it does not hang up"
    SIM = "it asks which SIM to call with"
    APP = "it asks which app to call with"
    SCREEN = "it showed something else instead of a call"
    HELD = "a call that is not ours is on hold"
    SHARED = "another phone could be meant"


class TroubleSeen(Struct, frozen=True, kw_only=True):
    """A phone is in this trouble; `words` say it to people, and are empty when it is over. Good for the connection that
    it is told of: after each `LinkChanged` a phone tells anew all that it is in."""

    trouble: Trouble
    words: str


Report = LinkChanged | CallSeen | HoldSeen | HealthRead | TroubleSeen


class PhoneError(Exception):
    """A command on the phone failed. The message starts with the phone's name."""


class PhoneUnreachable(PhoneError):
    """Nothing was sent: the phone cannot have acted."""


class PhoneUncertain(PhoneError):
    """It was sent and no answer came: the phone may have acted. Look before acting again."""


class PhoneRefused(PhoneError):
    """The phone answered that it would not do it, or it must not be asked: nothing was done."""


class PhoneUnfit(PhoneRefused):
    """The phone must not be dialled with, as it is in trouble: nothing was dialled."""


class PhoneBusy(PhoneRefused):
    """The phone is in a call: nothing was dialled."""


NO_ANSWER = "listed by adb, but it does not answer"  # the detail of an OFFLINE link


class Phone(Protocol):
    """One phone, reached over whatever link. Every method has a deadline of its own and raises `PhoneError`."""

    @property
    def screen(self) -> Screen:
        """Its screen, for as long as the phone is there."""

    def start(self, report: Callable[[Report], None]) -> None:
        """Begin to watch. Reports arrive on the event loop; the first one is a `LinkChanged`."""

    async def close(self) -> None:
        """Stop watching and free every connection. Calls on the phone go on."""

    async def dial(self, number: str, call_id: str, wanted: Callable[[], bool]) -> None:
        """Place a call to an E.164 number, if the phone is fit for it (else PhoneUnfit: it must be able to hang up), in
        no call (else PhoneBusy) and `wanted()` is still true right before the order leaves (else PhoneUnreachable). The
        phone notes for which call, then dials: looks tell the note. Returns when the phone took the order, not when it
        rings."""

    async def hang_up(self, ref: str | None) -> None:
        """End the call that the phone names `ref`; None: the only one that is up. Does nothing when it is not up, and
        raises PhoneRefused where the key would end another call. Ordered again, since the call went on, it tries
        another way; the last is to restart the phone."""

    async def look(self) -> Look:
        """Ask the phone itself about its calls, past the event stream."""

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        """Run one command in a shell of its own, bounded in seconds and bytes."""

    async def reboot(self) -> None:
        """Restart the phone. The link goes away and comes back."""

    async def reopen(self) -> None:
        """Open anew whatever this host has open to it. adb's own connection to the phone stays."""

    async def reconnect(self) -> None:
        """Drop this host's connections to the phone and open them afresh."""
