"""Single messages of a stream: how to ask for one, and what an answer says."""

import re
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout

from actors.adapters.nats_link import Link
from actors.adapters.nats_wire import LateHeaders, nobody_heard, status_of
from actors.runtime.bus import BusUnavailable, Recorded, RequestTimeout, Size

JOURNAL = "OTTB_EVT"
LOG = "OTTB_LOG"
FIGURES = "OTTB_FIG"
OUTPUT = "OTTB_OUT"
TRY_TIMEOUT = 1.5  # seconds of one question; a server that restarts answers nothing
NO_MESSAGE = 10037
NOT_FOUND, END_OF_BATCH = "404", "204"
SUBJECT = b"\r\nNats-Subject: "
BEFORE, PENDING = "Nats-Last-Sequence", "Nats-Num-Pending"  # of a batch, at its end
_OF_ENTRY = re.compile(
    rb"\r\nNats-Subject: ([^\r]+)\r\nNats-Sequence: ([0-9]+)\r\nNats-Time-Stamp: ([^\r]+)\r\n"
    rb"(?:Nats-Num-Pending: [0-9]+\r\nNats-Last-Sequence: ([0-9]+)\r\n)?"
)


@asynccontextmanager
async def asking(client: Client, what: str) -> AsyncIterator[None]:
    """Turn what the client raises into what the port says: RequestTimeout, BusUnavailable."""
    if not client.is_connected:
        raise BusUnavailable("not connected")
    try:
        yield
    except (NatsTimeout, TimeoutError):
        raise RequestTimeout(what) from None
    except (NatsError, OSError) as problem:
        raise BusUnavailable(repr(problem)) from None


async def get(link: Link, stream: str, query: Mapping[str, Any], *, certain: bool) -> Recorded | None:
    """One message: from the stream's leader if `certain`, else from any replica. RequestTimeout, BusUnavailable."""
    asked = msgspec.json.encode(query)
    if certain:
        headers, data = await link.request(f"$JS.API.STREAM.MSG.GET.{stream}", asked, b"", TRY_TIMEOUT)
        must_be_heard(stream, headers, data)
        return _from_leader(data)
    subject = f"$JS.API.DIRECT.GET.{stream}"
    if stream.startswith("KV_"):  # who may read some keys only asks for each under a subject of its own
        subject, asked = f"{subject}.{query['last_by_subj']}", b""
    raw, data = await link.request(subject, asked, b"", TRY_TIMEOUT)
    must_be_heard(stream, raw, data)
    if (status := status_of(raw)) == NOT_FOUND:
        return None
    if status is not None:
        raise BusUnavailable(f"{stream}: status {status}")
    return recorded(raw, data)[0]


class _State(Struct):
    messages: int
    last_seq: int


class _Info(Struct):
    state: _State | None = None
    error: Any = None


async def size(link: Link, stream: str) -> Size:
    """A stream's own count, as its leader has it. RequestTimeout, BusUnavailable."""
    headers, data = await link.request(f"$JS.API.STREAM.INFO.{stream}", b"", b"", TRY_TIMEOUT)
    must_be_heard(stream, headers, data)
    said = msgspec.json.decode(data, type=_Info)
    if said.state is None:
        raise BusUnavailable(str(said.error))
    return Size(entries=said.state.messages, last_seq=said.state.last_seq)


def must_be_heard(stream: str, headers: bytes, data: bytes) -> None:
    """Raise BusUnavailable where nobody answers for a stream."""
    if nobody_heard(headers, data):
        raise BusUnavailable(f"{stream} is not there")


def recorded(raw: bytes, data: bytes) -> tuple[Recorded, int]:
    """An entry, as the server hands it over with these headers, of which its own are the last; and, in a batch, the
    sequence of the entry before it in there, 0: it is the first. Raises BusUnavailable."""
    found = _OF_ENTRY.match(raw, raw.rfind(SUBJECT))
    if found is None:
        raise BusUnavailable("the server hands over what is no entry")
    subject, seq, stored, before = found.groups()
    entry = Recorded(
        subject=subject.decode(), data=data, headers=LateHeaders(raw), seq=int(seq), at=_epoch(stored.decode())
    )
    return entry, int(before or 0)


def missed(stream: str) -> RequestTimeout:
    """What to raise where the entry before one of a batch is not the last that has come."""
    return RequestTimeout(f"{stream}: a message was lost on the way")


def are_pending(stream: str, raw: bytes, last: int) -> bool:
    """Whether there are more entries after a batch, as the server says at its end. Raises RequestTimeout."""
    said, status = LateHeaders(raw), status_of(raw)
    if status == NOT_FOUND:
        return False
    if status != END_OF_BATCH:
        raise RequestTimeout(f"{stream}: status {status}")
    if int(said.get(BEFORE, last)) != last:
        raise missed(stream)
    return int(said.get(PENDING, 0)) > 0


def _from_leader(answer: bytes) -> Recorded | None:
    """The message that STREAM.MSG.GET answers with. Raises BusUnavailable."""
    said = msgspec.json.decode(answer)
    if (error := said.get("error")) is not None:
        if error.get("err_code") == NO_MESSAGE:
            return None
        raise BusUnavailable(str(error))
    message = said["message"]
    return Recorded(
        subject=message["subject"],
        data=b64decode(message.get("data", "")),
        headers=_headers(b64decode(message.get("hdrs", ""))),
        seq=message["seq"],
        at=_epoch(message["time"]),
    )


def _headers(raw: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in raw.decode(errors="replace").split("\r\n")[1:] if line)
    return {name: value.strip() for name, _, value in lines}


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
