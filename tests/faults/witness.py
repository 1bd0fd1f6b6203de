"""What really happened at a site of processes, from the own logs of its virtual phones and of its virtual PBX, as the
judge of the simulated worlds reads it. Seconds are those of `Site`'s machine since the beginning of the test."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.adapters.android import end_of
from actors.runtime.bus import Recorded
from bus_schemas.call import EndReason
from simulators.carrier.rules import BUSY, CLEARING, INVALID, NO_ANSWER, REJECTED, REMOTE
from simulators.device.chronicle import Chronicle, DeviceCall, Ender, Source
from simulators.world.records import Stored, read

REASON_OF_TEXT = {
    CLEARING[BUSY].text: EndReason.BUSY,
    CLEARING[INVALID].text: EndReason.INVALID_NUMBER,
    CLEARING[REJECTED].text: EndReason.REJECTED,
    CLEARING[REMOTE].text: EndReason.HANGUP_REMOTE,
    CLEARING[NO_ANSWER].text: EndReason.NO_ANSWER,
}
BY_PHONE = frozenset({"LOCAL", "CANCELED", "MISSED"})  # Telecom's codes of an end that this phone chose


@dataclass
class RealWorld:
    """What the judge looks at. `lines`: the host of each line; `journal`: every entry there is."""

    lines: Mapping[str, str]
    channels: int
    book: Chronicle = field(default_factory=Chronicle)
    journal: list[Recorded] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    user_calls: int = 1_000_000
    began_mono: float = field(default_factory=time.monotonic)
    began_wall: float = field(default_factory=time.time)

    @property
    def now(self) -> float:
        return time.monotonic() - self.began_mono

    @property
    def stored(self) -> list[Stored]:
        return read(self.journal, self.began_wall)

    def host_of(self, line: str) -> str:
        return self.lines[line]

    @property
    def drift(self) -> float:
        """Seconds by which the wall clock has run ahead of the monotonic one since the beginning."""
        return (time.time() - self.began_wall) - self.now


def calls_of_phone(line: str, log: Iterable[Mapping[str, Any]], began: float) -> list[DeviceCall]:
    """The calls of one phone by its log, which was never restarted. `began`: the beginning, monotonic."""
    calls: dict[str, DeviceCall] = {}
    pressed: set[str] = set()
    for entry in log:
        at, name = entry["at"] - began, entry["call"]
        call = calls.get(name)
        match entry["what"]:
            case "hangup":
                pressed.add(name)
            case "CREATED":
                source = Source.HAND if entry["foreign"] else Source.ORDER
                calls[name] = DeviceCall(line=line, ref=name, number=entry["number"], source=source, created=at)
            case "SET_RINGING" if call is not None:
                call.source = Source.INCOMING
            case "ALERTING" if call is not None:
                call.rung = at
            case "SET_ACTIVE" if call is not None and call.answered is None:
                call.answered = at
            case "SET_DISCONNECTED" if call is not None:
                call.ended = at
                call.reason, call.cause = end_of(entry["data"])
                by_phone = any(f"({code})" in entry["data"] for code in BY_PHONE)
                call.ender = Ender.US if by_phone and name in pressed else Ender.HAND if by_phone else Ender.REMOTE
    return list(calls.values())


def calls_of_pbx(log: Iterable[Mapping[str, Any]], trunks: Mapping[str, str], began: float) -> list[DeviceCall]:
    """The calls of the PBX by its log. `trunks`: the trunk of each endpoint."""
    return [_channel(channel, trunks, began) for channel in log]


def _channel(channel: Mapping[str, Any], trunks: Mapping[str, str], began: float) -> DeviceCall:
    def since(at: float | None) -> float | None:
        return None if at is None else at - began

    number = channel["number"]
    call = DeviceCall(
        line=f"trunk-{trunks[channel['endpoint']]}",
        ref=channel["id"],
        number=number if number.startswith("+") else f"+{number}",
        source=Source.ORDER,
        created=channel["created"] - began,
        slot=int(channel["exten"]),
        rung=since(channel["rung"]),
        answered=since(channel["answered"]),
        ended=since(channel["ended"]),
        cause=channel["cause"],
    )
    match channel["ender"]:
        case "us":
            call.ender, call.reason = Ender.US, EndReason.HANGUP_LOCAL
        case "lost":
            call.ender, call.reason = Ender.LOST, EndReason.TRUNK_LOST
        case "limit" if call.answered is not None:  # the PBX's own limit, which is later than ours
            call.ender, call.reason = Ender.HAND, EndReason.HANGUP_LOCAL
        case "limit" | "far":
            call.ender, call.reason = Ender.REMOTE, REASON_OF_TEXT.get(call.cause, EndReason.NETWORK)
    return call
