"""What a surface is made of: HTTP routes and live updates. The kinds' own are in `surface/`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from bus_schemas.contract import ROOT, Rpc, Topic
from bus_schemas.kinds import Kind
from bus_schemas.permissions import Access, Action

Update = TypeVar("Update", bound=Struct)

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE_KINDS = ("text/csv", "text/plain", XLSX)  # the bodies of routes that take a file


class Part(StrEnum):
    """Which of the four documented ports serves a route. WORKSPACE serves the others' too."""

    POINT = "POINT"
    DCI = "DCI"
    OTTB = "OTTB"
    WORKSPACE = "WORKSPACE"


BODY_LIMIT = 64 * 1024  # bytes of a body, where a route does not say otherwise


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The field of a request in which what is large of it stands, a list of objects. `most`: of them; `largest`: bytes
    of one."""

    field: str
    most: int
    largest: int


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How a request crosses the bus that does not fit into one message: in parts, one after the other, each asked of
    `rpc`. `listed`: what there is much of. `split`: into parts, which may say where the journal ended when they were
    asked for. `after`: a part, as it is sent after others have got these answers. `joined`: one answer of all."""

    rpc: Rpc[Any, Any]
    listed: Listed
    split: Callable[[Any, int], Iterable[Any]]  # any: of the requests and replies of the route's line, and of `rpc`
    after: Callable[[Any, Sequence[Any]], Any]
    joined: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, kw_only=True)
class Upload:
    """How a body that is a file gets to the hosts: it is kept in pieces, and the request's `field` says where; its
    other fields are in the query. `most`: bytes of it. `ask`: what `admit` is asked before it is read, of the request,
    of the bytes that are to come of all files under way, and of those of the user. `poured`: it is not kept but sent to
    a phone's host as it comes, which `admit` has open a stream for it; `ask` is given its bytes instead."""

    field: str
    most: int
    admit: Rpc[Any, Any]
    ask: Callable[[Any, int, int], Any]  # any: of the requests of the route's line, and of `admit`
    poured: bool = False


class Passed(Enum):
    """How what a host streams of a phone gets to the client (`phone_streams.py`)."""

    FILE = "file"  # to be saved
    PICTURE = "picture"
    FRAMES = "frames"  # pictures one after another, each in place of the last
    LINES = "lines"  # Server-Sent Events


class Held(StrEnum):
    """How who asks a route on end is held back, so that others are answered."""

    CHANGES = "changes"  # `Brake.admit`: what stays is written, or what others said is handed out
    TURNS = "turns"  # `Brake.turn`: what is posted and changes nothing; somebody signs, checks or looks for it
    READS = "reads"  # `Reads.turn`: much is read for it
    FOLLOWERS = "followers"  # so many at once (`log_feed.py`)
    LOOKS = "looks"  # `Brake.look`: one thing is looked up, as often as a page may want to


OF_LISTS = frozenset({"limit", "since"})  # fields of what asks for a list


@dataclass(frozen=True)
class Route:
    """`{name}` in the path is a field of the contract's request. `effect`: takes an Idempotency-Key. `table`: the
    answer is also to be had as CSV. `file`: the answer says where a recording is, and the client gets that.
    `stored`: it says in which pieces a table is kept, and the client gets that. `upload`: the body is a file.
    `output`: it says where in the stream of outputs a text is, and the client gets that. `linked`: each `log_url` in
    it is signed for whoever asks (`log_links.py`). `form`: the body may also be a form. `most`: bytes of a body;
    `parts`: how more than one message holds is asked.
    `followed`: what comes is sent as it comes, by Server-Sent Events (`log_feed.py`).
    `lines`: the body is a file, taken line by line (`line_files.py`). `taken`: who is answered takes away a
    list of people, which goes on the audit. `columns`: of its table, also without rows; `whole`: it is sent whole,
    unless a page of it is asked for. `as_table`: where the table of the same is. `costly`: all hosts are
    asked for it, or much is looked at. `light`: one thing is looked up. `passed`: the answer says which stream of a
    phone's host is sent. `signing`: the body is handed on as it was posted, with those of these headers that are
    there: whoever answers knows by them whose it is."""

    method: str
    path: str
    rpc: Rpc[Any, Any]
    status: int
    part: Part
    effect: bool = False
    most: int = BODY_LIMIT
    parts: Parts | None = None
    table: bool = False
    file: bool = False
    form: bool = False
    lines: bool = False
    stored: bool = False
    output: bool = False
    linked: bool = False
    followed: bool = False
    upload: Upload | None = None
    taken: bool = False
    columns: tuple[str, ...] = ()
    whole: bool = False
    as_table: str | None = None
    costly: bool = False
    light: bool = False
    passed: Passed | None = None
    signing: tuple[str, ...] = ()

    @cached_property
    def brake(self) -> Held:
        """Each route has one; the widest is that of what is light."""
        if self.light and (self.audited or self.many or self.method != "GET"):
            raise TypeError(f"{self.method} {self.path} is not light")
        if self.audited:
            return Held.CHANGES
        if self.method != "GET":
            return Held.TURNS
        if self.followed:
            return Held.FOLLOWERS
        if self.many:
            return Held.READS
        if not self.light:
            raise TypeError(f"{self.path} has no brake: say whether it is light or costly")
        return Held.LOOKS

    @cached_property
    def changes(self) -> bool:
        """Whether it changes something. A query may have to be posted, for the sake of what it asks about."""
        return self.method != "GET" and not self.rpc.subject.startswith(f"{ROOT}.qry.")

    @cached_property
    def many(self) -> bool:
        """Whether much is read for it: a list, also one with something around it. Whoever asks for many such things has
        them one after another."""
        asked = {field.encode_name for field in msgspec.structs.fields(self.rpc.request)}
        return self.costly or get_origin(self.rpc.reply) is list or not asked.isdisjoint(OF_LISTS)

    @cached_property
    def audited(self) -> bool:
        """What changes something, and what lets somebody hear what others said, take away what others sent, or see what
        is on a phone."""
        return self.changes or self.file or self.stored or self.taken or self.passed is not None

    @cached_property
    def ranged(self) -> bool:
        """Whether a part of what is sent can be asked for, and what there is of it by HEAD: of what steps have written,
        and of what is stored with its checksum."""
        return self.output or (self.stored and "sha256" in self.rpc.reply.__struct_fields__)

    @cached_property
    def permission(self) -> Action | Access:
        """What the contract line asks for. A line that says nothing is not for doors."""
        if self.rpc.permission is None:
            raise TypeError(f"{self.rpc.subject} has no permission and cannot be a route")
        return self.rpc.permission


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Where the things of a room are as they are now. `rpc`: the list of them, whose answer says which place in the
    journal it has. `page`: what is asked for the page at a cursor. `under`: the field of an answer in which they are,
    if it is not the list itself. `named`: how they call what updates name otherwise."""

    rpc: Rpc[Any, Any]
    page: Callable[[str | None], Struct]
    under: str | None = None
    named: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def thing(self) -> Any:  # any: a type
        """What one of them is."""
        fields = {field.name: field.type for field in msgspec.structs.fields(self.rpc.reply)} if self.under else {}
        return get_args(fields[self.under] if self.under is not None else self.rpc.reply)[0]

    def in_things(self, narrowed: Mapping[str, object]) -> Mapping[str, object]:
        """What updates are narrowed by, as things name it."""
        return {self.named.get(name, name): value for name, value in narrowed.items()}


@dataclass(frozen=True)
class Beside:
    """What the clients of a room hear of besides, that is in no journal. `event`: the name under which; `place`: the
    field that says where in its own stream it is."""

    event: str
    data: type[Struct]
    place: str


@dataclass(frozen=True)
class Room(Generic[Update]):
    """What Socket.IO clients hear of a kind, in its room. `topics`: the events that say something of it, of whatever
    kind they are. `present`: what one of them says to whoever sees the thing, an `update`; None: nothing. `narrows`:
    fields that each update has, and of which a client may want one value alone, with their types. `board`: it shows how
    things are, so its updates may come in groups. `whole`: the thing of which an update says all that there is to say,
    so that the newest stands for those before it. `listing`: where a snapshot of it comes from. `beside`: what else is
    heard in it."""

    kind: Kind
    update: type[Update]
    topics: tuple[Topic[Any], ...]
    present: Callable[[Any], Update | None]  # any: of the events of its topics
    narrows: tuple[tuple[str, Any], ...] = ()  # any: types
    board: bool = False
    whole: Callable[[Update], str | None] = lambda update: None
    listing: Listing | None = None
    beside: tuple[Beside, ...] = ()

    @property
    def event(self) -> str:
        """The name under which clients hear it."""
        return f"{self.kind.name}.update"


AnyRoom = Room[Any]  # any: of whatever kind


def shared_fields(event: Struct, update: type[Struct]) -> dict[str, Any]:
    """The fields that an event and an update have in common, by name."""
    return {name: getattr(event, name) for name in update.__struct_fields__ if hasattr(event, name)}
