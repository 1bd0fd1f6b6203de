"""What a line and its calls hear: from the outside, a phone or a PBX, and from the line about the order to dial."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, TypeVar

from msgspec import Struct

from bus_schemas.call import EndReason

# --- calls in apps ------------------------------------------------------------------------------------------------


class InApp(Struct, frozen=True, kw_only=True):
    """What the run that placed a call in an app sees of it. `up`: it goes on. `reason`: why it is over, where more is
    known than that; `cause`: in words; `age`: seconds since it was over."""

    state: Literal["up", "answered", "over"]
    reason: EndReason | None = None
    cause: str = ""
    age: float = 0.0


# --- the link, and calls as they are seen -------------------------------------------------------------------------


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


def boot_of(ref: str | None) -> str:
    """In which boot of a phone a call got its name; empty: nobody knows."""
    return (ref or "").rpartition("/")[0]


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
    return than is None or (boot_of(ref) == boot_of(than) and newer(ref, than))


class LinkChanged(Struct, frozen=True, kw_only=True):
    """The phone came, went or changed its adb state. `detail` is for people; `silent`: seconds for which nothing was
    heard of it when that was found out."""

    link: Link
    detail: str = ""
    silent: float = 0.0


class OfLine(StrEnum):
    """What the end of a call that was never answered says of its line, whatever it says of the called side."""

    NONE = "none"
    CARRIED = "carried"  # it reached the called side's network
    FAILED = "failed"  # it could not carry the call
    REFUSED = "refused"  # its provider would not


class CallSeen(Struct, frozen=True, kw_only=True):
    """One call on the phone is in this phase now.

    `ref` names the call on this phone, unique over its reboots (`<boot id>/TC@5`). `reason` and `cause`
    (the phone's own words, for example `BUSY` or `ServiceState.STATE_OUT_OF_SERVICE`) come with DISCONNECTED; so does
    `line`, which only a PBX tells.
    `incoming` is true for calls the phone did not place. `age`: seconds since it happened, where it is told late;
    `suspect`: by a clock that was set meanwhile. `asks`: the phone waits for somebody to choose a SIM on its screen.
    """

    ref: str
    phase: CallPhase
    reason: EndReason | None = None
    cause: str = ""
    line: OfLine = OfLine.NONE
    incoming: bool = False
    age: float = 0.0
    suspect: bool = False
    asks: bool = False


class HoldSeen(Struct, frozen=True, kw_only=True):
    """A call that is up on the phone was put on hold, or taken back."""

    ref: str
    held: bool


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
    """A call that is up on the phone at the look. `held`: another one talks meanwhile. `suspect` as in PastCall,
    `asks` as in CallSeen."""

    ref: str
    phase: CallPhase
    created_age: float
    answered_age: float | None = None
    incoming: bool = False
    held: bool = False
    suspect: bool = False
    asks: bool = False


class Noted(Struct, frozen=True):
    """The last order to dial that this phone began to carry out since it was started, as it noted that itself: for
    which call, and how many seconds before the look. It was in no call then, so the next one that goes out is that
    call."""

    call_id: str
    age: float


WORDS = 300  # letters of what the outside says that go on record
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


def may_follow(order: Noted, seen: LiveCall | PastCall) -> bool:
    """Whether a call went out after the phone had noted an order to dial, as far as anybody can tell: the first that
    did is the call of that order, or there is none. The phone was in no call then: one that seems to have been up
    shows that its clock was set."""
    if seen.incoming:
        return False
    if seen.suspect or isinstance(seen, LiveCall) or seen.created_age <= order.age + NOTE_SLACK:
        return True
    return seen.ended_age < order.age - NOTE_SLACK


Seen = TypeVar("Seen", bound=LiveCall | PastCall)


def oldest(calls: Iterable[Seen]) -> Seen | None:
    """Of calls of one boot the one that got its name first."""
    first: Seen | None = None
    for one in calls:
        first = one if first is None or newer(first.ref, one.ref) else first
    return first


class Look(Struct, frozen=True, kw_only=True):
    """What the phone says about its calls when asked directly: the judge after any doubt."""

    live: tuple[LiveCall, ...]  # newest first
    boot: str = ""  # what the names of this boot's calls begin with
    up: float | None = None  # seconds since that boot
    order: "Noted | None" = None
    past: tuple[PastCall, ...]  # newest first; Telecom keeps the last ten


class CdrSeen(Struct, frozen=True, kw_only=True):
    """What the PBX counted of a call."""

    call_id: str
    disposition: str
    billable_seconds: int


# --- what a line answers ------------------------------------------------------------------------------------------


class Looked(Struct, frozen=True, kw_only=True):
    """What the outside says about its calls, None when it could not be asked. It was asked at `asked` (seconds of the
    host's monotonic clock) for `call_id`, None: for the line's own sake. What has happened since it cannot know."""

    look: Look | None
    why: str
    asked: float
    call_id: str | None = None


class DialAccepted(Struct, frozen=True, kw_only=True):
    """The outside took the order to dial. `after_ref`: the newest call that was known there before."""

    after_ref: str | None = None


class DialFailed(Struct, frozen=True, kw_only=True):
    """The order to dial was certainly not carried out."""

    cause: str
    reason: EndReason


class JoinFailed(Struct, frozen=True, kw_only=True):
    """The outside has certainly not taken the call to the extension."""

    cause: str


class DialUncertain(Struct, frozen=True, kw_only=True):
    """The order was sent and no answer came. The look at the phone decides; it is not sent again."""

    cause: str
