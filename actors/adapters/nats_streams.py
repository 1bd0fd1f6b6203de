"""The streams of a site, each with a limit, and how much of it is used.

What happens at the limit is the stream's: the journal refuses what is new and keeps what is old. The buckets and the
platform's log forget the oldest, which costs nothing but time: a snapshot is read anew from the journal, a repeat whose
answer is gone is sent again under its command's id, and leases are a few hundred bytes. The log also forgets by number
and by age, as does what steps of pipelines write. What was measured is forgotten in the same way; each minute of it
says itself how long it is good for. The
bucket of files refuses, too: what it has forgotten, somebody who was told that it is taken would have to send again.
A key of it can be deleted all the same.

A limit is reserved at the server, of its own quota (`max_file_store`, by default 75 % of the disk that was free at its
start). Found out on nats-server 2.15.1: a reservation beyond that quota is refused (10047), a stream that was made
before is kept and takes writes all the same; nothing is deleted when the limit of a stream that refuses what is new is
set below what it holds. A stream that may schedule messages cannot refuse what is new, and cannot be changed into one
that does (10052): a journal that an earlier version made so stays without a limit of its own, which is said.

The journal's blocks are packed (s2) once they are full: a quarter of the bytes, which is also what is written where an
entry is overwritten. One that was made without packs from the server's next start on.
"""

from collections.abc import Iterator, Mapping

import structlog
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RePublish, StoreCompression, StreamConfig, SubjectTransform
from nats.js.errors import APIError, NotFoundError

from actors.adapters.nats_reading import FIGURES, JOURNAL, LOG, OUTPUT
from actors.adapters.nats_redactions import KEPT, STREAM
from bus_schemas.host import StreamUse
from bus_schemas.log import DAYS_KEPT, LOG_SCOPE, MOST_BYTES, MOST_EVENTS
from bus_schemas.monitor import FIGURES_SCOPE, QUARTERS_KEPT, STREAM_BYTES
from bus_schemas.pipeline_events import OUTPUT_BYTES, OUTPUT_DAYS, OUTPUT_ENTRIES, OUTPUT_SCOPE

log = structlog.get_logger()

WRITTEN = "ottb.v1.write."  # what is put here and accepted is stored and said as EVENTS
EVENTS = "ottb.v1.evt."
MB = 2**20
LEAST = 1024 * MB  # of the journal; where the server has less to give, its own quota is the limit
REDACTED = 256 * MB
DUPLICATE_WINDOW = 120.0
LOG_WINDOW = 3600.0  # seconds for which hosts that hear of the same write it once
NO_RESERVE, NOT_CHANGED = 10047, 10052


def to_be_stored(subject: str) -> str:
    """Where something is put to be stored and said as a subject of EVENTS."""
    return WRITTEN + subject.removeprefix(EVENTS)


class Bucket(Struct, frozen=True):
    """Seconds that its keys are kept (0: for ever), its limit in bytes, and what goes where that is reached."""

    age: float
    limit: int
    discard: DiscardPolicy = DiscardPolicy.OLD


BUCKETS: Mapping[str, Bucket] = {
    "OTTB_OWN": Bucket(0.0, MB // 2),
    "OTTB_SNAP": Bucket(0.0, 256 * MB),
    "OTTB_IDEM": Bucket(24 * 3600.0, 256 * MB),
    "OTTB_HOOK": Bucket(0.0, 4 * MB, DiscardPolicy.NEW),  # secrets of webhooks
    "OTTB_FILE": Bucket(4 * 24 * 3600.0, 256 * MB, DiscardPolicy.NEW),  # none waits longer than three days
}


def _configs(limit: int) -> Iterator[StreamConfig]:
    """The buckets first: where the server has just as much to give as the journal takes, it makes nothing after it."""
    for name, bucket in BUCKETS.items():
        yield StreamConfig(
            name=f"KV_{name}",
            subjects=[f"$KV.{name}.>"],
            max_bytes=bucket.limit,
            discard=bucket.discard,
            max_msgs_per_subject=1,
            max_age=bucket.age,
            allow_direct=True,
            allow_msg_ttl=True,
            subject_delete_marker_ttl=0,
        )
    yield StreamConfig(
        name=STREAM,
        subjects=[f"{KEPT}>"],
        max_bytes=REDACTED,
        discard=DiscardPolicy.NEW,
    )
    yield StreamConfig(
        name=LOG,
        subjects=[LOG_SCOPE],
        max_bytes=MOST_BYTES,
        max_msgs=MOST_EVENTS,
        max_age=DAYS_KEPT * 24 * 3600.0,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
        duplicate_window=LOG_WINDOW,
    )
    yield StreamConfig(
        name=FIGURES,
        subjects=[FIGURES_SCOPE],
        max_bytes=STREAM_BYTES,
        max_age=float(QUARTERS_KEPT),
        discard=DiscardPolicy.OLD,
        allow_direct=True,
        allow_msg_ttl=True,
    )
    yield StreamConfig(
        name=OUTPUT,
        subjects=[OUTPUT_SCOPE],
        max_bytes=OUTPUT_BYTES,
        max_msgs=OUTPUT_ENTRIES,
        max_age=OUTPUT_DAYS * 24 * 3600.0,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
    )
    yield StreamConfig(
        name=JOURNAL,
        subjects=[f"{WRITTEN}>"],
        max_bytes=limit,
        discard=DiscardPolicy.NEW,
        # A plain subscriber of a stream's own subjects also hears what the stream then refuses. So writes go
        # to subjects of their own, and the server itself says what was accepted.
        subject_transform=SubjectTransform(src=f"{WRITTEN}>", dest=f"{EVENTS}>"),
        republish=RePublish(src=f"{EVENTS}>", dest=f"{EVENTS}>"),
        allow_direct=True,
        allow_msg_ttl=True,
        duplicate_window=DUPLICATE_WINDOW,
        compression=StoreCompression.S2,
    )


async def ensure_streams(js: JetStreamContext, limit: int) -> None:
    """Make the journal, the streams beside it and the buckets if they are missing, with their limits. `limit`: of the
    journal."""
    for config in _configs(limit):
        assert config.name is not None
        try:
            known: StreamConfig | None = (await js.stream_info(config.name)).config
        except NotFoundError:
            known = None
        if known is not None:
            config.deny_delete = known.deny_delete  # which an update does not take back
        if known is None or _differs(known, config):
            await _set(js, config, known)


def _differs(known: StreamConfig, wanted: StreamConfig) -> bool:
    return (known.subjects, known.max_bytes, str(known.discard), _packs(known)) != (
        wanted.subjects,
        wanted.max_bytes,
        wanted.discard.value if wanted.discard else "",
        _packs(wanted),
    )


def _packs(config: StreamConfig) -> bool:
    return config.compression in (StoreCompression.S2, StoreCompression.S2.value)


async def _set(js: JetStreamContext, config: StreamConfig, known: StreamConfig | None) -> None:
    """Make or change a stream, with its limit or what the server can give of it."""
    wanted = config.max_bytes
    while True:
        try:
            await (js.add_stream(config) if known is None else js.update_stream(config))
        except APIError as error:
            if known is not None and error.err_code == NOT_CHANGED:
                log.error("stream stays as it is", stream=config.name, why=error.description)
                return
            if error.err_code != NO_RESERVE or config.max_bytes == -1:
                raise
            half = (config.max_bytes or 0) // 2
            config.max_bytes = half if config.name == JOURNAL and half >= LEAST else -1
            continue
        if config.max_bytes != wanted:
            log.error("stream with another limit: the server has no more", stream=config.name, limit=config.max_bytes)
        return


async def usage(js: JetStreamContext) -> list[StreamUse]:
    """How much each stream holds, of how much."""
    found = []
    for name in (JOURNAL, STREAM, LOG, FIGURES, OUTPUT, *(f"KV_{bucket}" for bucket in BUCKETS)):
        info = await js.stream_info(name)
        found.append(StreamUse(stream=name, bytes=int(info.state.bytes), limit=max(info.config.max_bytes or 0, 0)))
    return found
