"""The port a slot uses to work with its phone, and what a phone may report."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from bus_schemas.call import EndReason


class Link(StrEnum):
    """How the phone hangs on this host."""

    ONLINE = "online"
    OFFLINE = "offline"  # listed by adb, but it does not answer
    UNAUTHORIZED = "unauthorized"  # this host's key was not accepted on the phone's screen
    ABSENT = "absent"  # not listed by adb
    UNKNOWN = "unknown"  # the adb server itself does not answer: no news about the phone


class CallPhase(StrEnum):
    """Where one call stands, as the phone tells it."""

    DIALING = "dialing"
    ALERTING = "alerting"
    ACTIVE = "active"
    DISCONNECTED = "disconnected"


def newer(ref: str, than: str | None) -> bool:
    """Whether a call's name on the phone can have been given after another one.

    Telecom counts a boot's calls upwards, `TC@1`, `TC@2` ...; across boots nothing can be said, so true.
    """
    if than is None:
        return True
    boot, _, number = ref.rpartition("/TC@")
    other_boot, _, other_number = than.rpartition("/TC@")
    if boot != other_boot or not (number.isdigit() and other_number.isdigit()):
        return ref != than
    return int(number) > int(other_number)


def after(ref: str, than: str | None) -> bool:
    """Whether a call's name was given after another one in the same boot of the phone. A restart ends every call and
    every order to dial, so a call of another boot is none that was ordered before. `than` None: nothing is known."""
    return than is None or (ref.rpartition("/")[0] == than.rpartition("/")[0] and newer(ref, than))


class LinkChanged(Struct, frozen=True, kw_only=True):
    """The phone came, went or changed its adb state. `detail` is for people."""

    link: Link
    detail: str = ""


class CallSeen(Struct, frozen=True, kw_only=True):
    """One call on the phone is in this phase now.

    `ref` names the call on this phone, unique over its reboots (`<boot id>/TC@5`). `reason` and `cause`
    (the phone's own words, for example `BUSY` or `ServiceState.STATE_OUT_OF_SERVICE`) come with DISCONNECTED.
    `incoming` is true for calls the phone did not place. `age`: seconds since it happened, where it is told late;
    `suspect`: by a clock that was set meanwhile.
    """

    ref: str
    phase: CallPhase
    reason: EndReason | None = None
    cause: str = ""
    incoming: bool = False
    age: float = 0.0
    suspect: bool = False


class PastCall(Struct, frozen=True, kw_only=True):
    """A call in the phone's own short history. Ages are seconds before the look, by the phone's clock. `suspect`: that
    clock was set meanwhile, or tells what cannot be; an age is then as near as can be said, or 0."""

    ref: str
    created_age: float
    answered_age: float | None
    ended_age: float
    reason: EndReason
    cause: str = ""
    incoming: bool = False
    suspect: bool = False


class LiveCall(Struct, frozen=True, kw_only=True):
    """A call that is up on the phone at the look. `held`: another one talks meanwhile. `suspect` as in PastCall."""

    ref: str
    phase: CallPhase
    created_age: float
    answered_age: float | None = None
    incoming: bool = False
    held: bool = False
    suspect: bool = False


class Noted(Struct, frozen=True):
    """The last order to dial that this phone began to carry out since it was started, as it noted that itself: for
    which call, and how many seconds before the look. It was in no call then, so the next one that goes out is that
    call."""

    call_id: str
    age: float


ORDER_LASTS = 13.0  # seconds that lie at most between an attempt and its call on the phone
NOTE_SLACK = 1.0  # seconds by which the phone's ages of a call and of its note may differ


def came_of(order: Noted, seen: LiveCall | PastCall) -> bool:
    """Whether a call went out after the phone had noted an order to dial, and no later than an order lasts: what was
    dialled by hand long after an order that came to nothing is not that call. The phone was in no call then, so one
    that is up cannot be older than the note: its clock was set meanwhile, and its age, if suspect, cannot tell."""
    if seen.incoming:
        return False
    if seen.created_age > order.age + NOTE_SLACK:
        return isinstance(seen, LiveCall)
    return seen.suspect or order.age - seen.created_age <= ORDER_LASTS


class Look(Struct, frozen=True, kw_only=True):
    """What the phone says about its calls when asked directly: the judge after any doubt."""

    live: tuple[LiveCall, ...]  # newest first
    boot: str = ""  # what the names of this boot's calls begin with
    order: "Noted | None" = None
    past: tuple[PastCall, ...]  # newest first; Telecom keeps the last ten


class Health(Struct, frozen=True, kw_only=True):
    """Figures of one phone, None where it does not tell. Percentages 0-100, temperature in degrees Celsius."""

    model: str | None = None
    android: str | None = None
    battery: int | None = None
    temperature: float | None = None
    charging: bool | None = None
    cpu: float | None = None
    ram: float | None = None
    latency_ms: float | None = None  # round trip host - phone over adb
    uptime_s: float | None = None
    operator: str | None = None
    sim: str | None = None  # READY, ABSENT, PIN_REQUIRED ...
    in_service: bool | None = None  # the voice network accepts calls
    network_type: str | None = None
    signal_level: int | None = None  # 0-4


class HealthRead(Struct, frozen=True, kw_only=True):
    """A fresh health reading."""

    health: Health


class ShellResult(Struct, frozen=True, kw_only=True):
    """What a command on the phone did. `output` holds stdout then stderr, cut at the asked size."""

    exit_code: int
    output: str
    truncated: bool


Report = LinkChanged | CallSeen | HealthRead


class PhoneError(Exception):
    """A command on the phone failed. The message starts with the phone's name."""


class PhoneUnreachable(PhoneError):
    """Nothing was sent: the phone cannot have acted."""


class PhoneUncertain(PhoneError):
    """It was sent and no answer came: the phone may have acted. Look before acting again."""


class PhoneRefused(PhoneError):
    """The phone answered that it would not do it, or it must not be asked: nothing was done."""


class PhoneBusy(PhoneRefused):
    """The phone is in a call: nothing was dialled."""


class Phone(Protocol):
    """One phone, reached over whatever link. Every method has a deadline of its own and raises `PhoneError`."""

    def start(self, report: Callable[[Report], None]) -> None:
        """Begin to watch. Reports arrive on the event loop; the first one is a `LinkChanged`."""

    async def close(self) -> None:
        """Stop watching and free every connection. Calls on the phone go on."""

    async def dial(self, number: str, call_id: str, wanted: Callable[[], bool]) -> None:
        """Place a call to an E.164 number, if the phone is in no call (else PhoneBusy) and `wanted()` is still true
        right before the order leaves (else PhoneUnreachable). The phone notes for which call, then dials: looks tell
        the note. Returns when the phone took the order, not when it rings."""

    async def hang_up(self, ref: str | None) -> None:
        """End the call that the phone names `ref`; None: the only one that is up. Does nothing when it is not up, and
        raises PhoneRefused where the key would end another call."""

    async def look(self) -> Look:
        """Ask the phone itself about its calls, past the event stream."""

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        """Run one command in a shell of its own, bounded in seconds and bytes."""

    async def reboot(self) -> None:
        """Restart the phone. The link goes away and comes back."""

    async def reconnect(self) -> None:
        """Drop this host's connections to the phone and open them afresh."""
