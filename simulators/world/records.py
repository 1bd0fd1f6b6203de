"""The journal of a simulated world as the judge reads it: each call with its events and the moment each was stored."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

import msgspec

from actors.runtime.bus import Recorded
from bus_schemas.call import CallDialing, CallEnded, CallEnding
from bus_schemas.campaign import CampaignLeadsAdded, CampaignPaused
from bus_schemas.catalogue import topic_of
from simulators.time.clock import STARTED_AT

IN_TIME = 10.0  # seconds after a claim in which its call may be begun
CAMPAIGNERS = ("boss1", "boss2")  # the users whose campaigns run


@dataclass(frozen=True)
class Stored:
    """One event. `at`: seconds of the world's clock when it was stored."""

    at: float
    seq: int
    subject: str
    event: Any


@dataclass
class CallOnRecord:
    """One call as the journal has it. `called_off`: its campaign was paused when it was about to be dialled."""

    call_id: str
    events: list[Stored] = field(default_factory=list)
    called_off: bool = False

    @property
    def dialing(self) -> Stored | None:
        return next((one for one in self.events if isinstance(one.event, CallDialing)), None)

    @property
    def ended(self) -> list[Stored]:
        return [one for one in self.events if isinstance(one.event, CallEnded)]

    @property
    def endings(self) -> list[str]:
        """Who asked for its end: a person may do so after a ring time-out has."""
        return [one.event.by for one in self.events if isinstance(one.event, CallEnding)]

    @property
    def open(self) -> bool:
        return self.dialing is not None and not self.ended


def read(journal: list[Recorded], began: float = STARTED_AT.timestamp()) -> list[Stored]:
    """The entries that are understood. `began`: the beginning of the world, in epoch seconds."""
    found = []
    for entry in journal:
        topic = topic_of(entry.subject)
        if topic is not None:
            event = msgspec.json.decode(entry.data, type=topic.event)
            found.append(Stored(entry.at - began, entry.seq, entry.subject, event))
    return found


def calls_of(stored: list[Stored]) -> dict[str, CallOnRecord]:
    """The calls, oldest first."""
    calls: dict[str, CallOnRecord] = {}
    paused: dict[str, float] = {}
    for one in stored:
        if isinstance(one.event, CampaignPaused):
            paused[one.event.campaign] = one.at
        if one.subject.startswith("ottb.v1.evt.call."):
            call_id = one.event.call_id
            call = calls.setdefault(call_id, CallOnRecord(call_id))
            call.events.append(one)
            if isinstance(one.event, CallEnded) and call.dialing is not None:
                halted = paused.get(call.dialing.event.campaign or "", -inf)
                call.called_off = halted > call.dialing.at - IN_TIME
    return calls


def numbers_of_leads(stored: list[Stored]) -> frozenset[str]:
    """Every number that some campaign may call."""
    added = (one.event for one in stored if isinstance(one.event, CampaignLeadsAdded))
    return frozenset(number for event in added for lead in event.leads for number in lead.numbers)
