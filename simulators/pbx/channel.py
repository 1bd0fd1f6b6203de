"""What a virtual PBX knows of one call, and of one trunk."""

import asyncio
from dataclasses import dataclass, field

from simulators.carrier.rules import Plan
from simulators.pbx.troubles import Refusal

Event = dict[str, str]

DOWN, RINGING, UP = 0, 5, 6
UNKNOWN = "<unknown>"
NOWHERE = ("nothing", "s", "1")  # where a channel is before its call is answered: the context of its endpoint
STATES = {DOWN: "Down", RINGING: "Ringing", UP: "Up"}


@dataclass
class Channel:
    """One call on the PBX. Moments are of the monotonic clock, `answered_at` of the wall clock."""

    id: str
    name: str
    endpoint: str
    number: str
    context: str
    exten: str
    plan: Plan
    created: float
    rings_until: float
    lives_until: float
    recording: str | None = None
    refusal: Refusal | None = None
    waits_until: float | None = None  # whoever has answered, to be redirected
    state: int = DOWN
    answered: float | None = None
    answered_at: float | None = None
    rung: float | None = None
    joining: bool = False  # it is in the dialplan, at its extension
    moved: list[float] = field(default_factory=list)
    in_vain: int = 0  # phones at the slot that rang in vain
    ended: float | None = None
    ender: str = ""  # `us` asked by AMI, `far` end, `limit` of the order, `lost` with the PBX
    cause: str = ""
    task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Whatever the network had planned for it does not happen any more."""
        if self.task is not None:
            self.task.cancel()


@dataclass
class Trunk:
    """What the PBX knows of one endpoint. `contacts`: how the provider's addresses stand, the first one first; `aors`:
    the names of its AORs, each with all of them; empty: its own name."""

    contacts: list[str] = field(default_factory=lambda: ["Reachable"])
    aors: tuple[str, ...] = ()
    rtt_usec: int = 600
    registration: str | None = None

    def rtt(self, status: str) -> str:
        """Microseconds to such an address and back."""
        return str(self.rtt_usec) if status == "Reachable" else "N/A"

    @property
    def reachable(self) -> bool:
        """Whether a call finds an address to go to."""
        return any(status not in ("Unreachable", "") for status in self.contacts)


def channel_fields(channel: Channel) -> Event:
    """The fields that every event about a channel begins with."""
    context, exten, priority = (channel.context, channel.exten, "2") if channel.joining else NOWHERE
    nobody = ("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName")
    return {
        "Channel": channel.name, "ChannelState": str(channel.state), "ChannelStateDesc": STATES[channel.state],
        **dict.fromkeys(nobody, UNKNOWN), "Language": "en", "AccountCode": "",
        "Context": context, "Exten": exten, "Priority": priority, "Uniqueid": channel.id, "Linkedid": channel.id,
    }  # fmt: skip
