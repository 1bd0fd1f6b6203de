"""The life of a call as spans of its trace, told when it is over: what the phone or the PBX saw, by its times. Pure."""

from collections.abc import Iterator

from actors.runtime.clock import parse_utc
from bus_schemas.call import CallEnded


def spans(ended: CallEnded) -> Iterator[tuple[str, int, int]]:
    """Name, beginning and end in nanoseconds since 1970; what there was of ringing and talking."""
    if ended.ring_time is not None:
        yield "ringing", _ns(ended.ring_time), _ns(ended.answer_time or ended.at)
    if ended.answer_time is not None:
        yield "talking", _ns(ended.answer_time), _ns(ended.at)


def _ns(utc: str) -> int:
    return round(parse_utc(utc).timestamp() * 1e6) * 1000
