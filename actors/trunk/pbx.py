"""The port a trunk uses to work with its PBX, and what a PBX may report beside `CallSeen`."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from actors.telephony.reports import CallSeen, CdrSeen, LiveCall, Look
from bus_schemas.trunk import TrunkConfig


class Contact(StrEnum):
    """Whether an address of the provider's answers."""

    REACHABLE = "Reachable"
    UNREACHABLE = "Unreachable"
    MISSING = "Missing"  # there is none: the provider registers with us, and has not, or has gone
    UNKNOWN = "Unknown"  # not asked yet, or nobody asks (`qualify_frequency = 0`)


class PbxLink(Struct, frozen=True, kw_only=True):
    """The connection to the PBX came or went. `live`: our calls that are up there, by id, when it came."""

    up: bool
    detail: str = ""
    live: Mapping[str, LiveCall] = {}


class ContactSeen(Struct, frozen=True, kw_only=True):
    """One of the provider's addresses answers, or none does. `rtt_ms`: milliseconds."""

    status: Contact
    rtt_ms: float | None = None


class RegistrationSeen(Struct, frozen=True, kw_only=True):
    """The outbound registration, in Asterisk's words: Registered, Rejected, Unregistered ..."""

    status: str


PbxReport = PbxLink | ContactSeen | RegistrationSeen | CallSeen | CdrSeen


class Originate(Struct, frozen=True, kw_only=True):
    """One call to place. Its id names the channel, so a live one cannot be doubled. Seconds. `slot`: whose extension is
    to take it; None: whoever answers waits there, for some seconds, to be redirected. `recording`: the file."""

    call_id: str
    number: str
    slot: int | None
    ring_timeout: float
    max_duration: float
    recording: str | None = None


class PbxError(Exception):
    """The PBX did not do it."""


class PbxUnreachable(PbxError):
    """Nothing was sent: the PBX cannot have acted."""


class PbxUncertain(PbxError):
    """It was sent and no answer came: the PBX may have acted. Look before acting again."""


class PbxRefused(PbxError):
    """The PBX answered that it would not do it."""


class PbxNoExtension(PbxRefused):
    """It would not, because the slot's extension is not there: that says nothing about the trunk."""


class Pbx(Protocol):
    """One PBX, shared by its trunks. Every method has a deadline of its own and raises `PbxError`."""

    def attach(self, trunk: TrunkConfig, report: Callable[[PbxReport], None]) -> None:
        """Report everything about this trunk from now on. The first report is a `PbxLink`."""

    def detach(self, trunk: str) -> None:
        """Report nothing more about it."""

    async def originate(self, trunk: TrunkConfig, order: Originate) -> None:
        """Place a call. Returns when the PBX took the order. Never sent twice, whatever happens to the connection."""

    async def redirect(self, call_id: str, extension: str) -> None:
        """Take a call that was answered and waits to an operator's extension. Returns when the PBX has done so; whether
        somebody takes it there, its end tells. Never sent twice."""

    async def hang_up(self, call_id: str) -> None:
        """End a call. Does nothing when it is not there."""

    async def look(self, call_id: str) -> Look:
        """Ask the PBX itself about a call."""
