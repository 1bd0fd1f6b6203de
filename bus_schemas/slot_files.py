"""What somebody does with a slot's phone beside its screen: files, apps and its log, and the streams in which bytes
travel between a phone's host and a gateway."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bus_schemas.contract import Rpc
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import Id, SlotId, shaped
from bus_schemas.permissions import Action
from bus_schemas.slot import SEES, SLOT_ABSENT

E = ErrorCode
A = Action

PIECE = 256 * 1024  # bytes of a stream in one message of the bus, which takes 1 MB, of JSON
MOST = 1024 * 2**20  # bytes of a file, whatever the settings say
PHONE = frozenset({E.NOT_FOUND, E.SLOT_OFFLINE, E.RATE_LIMITED})
HELD = PHONE | {E.SLOT_BUSY}

PhonePath = Annotated[
    str, shaped(
        r"^/[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]{1,1023}$(?!\n)",
        "a path from the phone's root, without control characters", examples=["/sdcard/Download/list.csv"],
    ),
]  # fmt: skip
Package = Annotated[
    str, shaped(
        r"^[A-Za-z][A-Za-z0-9_]{0,63}(?:\.[A-Za-z0-9_]{1,64}){1,15}$(?!\n)", "the name of an Android package",
        examples=["org.telegram.messenger"],
    ),
]  # fmt: skip
StreamId = Annotated[Id, Meta(examples=["s_7f3a"])]
LogTag = Annotated[str, shaped(r"^[A-Za-z0-9_.-]{1,64}$(?!\n)", "1 to 64 letters (A-Z, a-z), digits, `_`, `.` or `-`")]


# --- streams ------------------------------------------------------------------------------------------------------


class OpenedStream(Struct, frozen=True, kw_only=True):
    """What a host keeps ready for whoever asked. `size`: bytes, where that is known. `name`: of the file, as its
    phone has it. `content_type`: what it is."""

    stream: StreamId
    name: str = ""
    size: int | None = None
    content_type: str = "application/octet-stream"


class NextPiece(Struct, frozen=True, kw_only=True):
    """The piece of this number, which is the one behind the last."""

    slot: SlotId
    stream: StreamId
    number: Annotated[int, Meta(ge=0)]


class StreamPiece(Struct, frozen=True, kw_only=True):
    """Bytes, as they come. `end`: none follow."""

    data: bytes
    end: bool = False


class PutPiece(Struct, frozen=True, kw_only=True):
    """The next bytes for a phone."""

    slot: SlotId
    stream: StreamId
    number: Annotated[int, Meta(ge=0)]
    data: Annotated[bytes, Meta(max_length=PIECE)]


class EndStream(Struct, frozen=True, kw_only=True):
    """Whoever read or wrote has gone."""

    slot: SlotId
    stream: StreamId


class StreamDone(Struct, frozen=True, kw_only=True):
    """It is."""


# --- files --------------------------------------------------------------------------------------------------------


class PullFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file at this path of the phone, which is in one of the folders of `[by_hand] folders`, also where links in it
    lead. It is sent as it is read."""

    slot: SlotId
    path: PhonePath


class OpenPush(Struct, frozen=True, kw_only=True):
    """Get ready to take a file. `path` null: an app. `size`: bytes, as far as is known before."""

    slot: SlotId
    path: PhonePath | None
    size: int


class SentFile(Struct, frozen=True, kw_only=True):
    """A file that has been sent to a phone's host: the stream (`key`), bytes, pieces, and the SHA-256 of it."""

    key: StreamId
    size: Annotated[int, Meta(ge=0, le=MOST)]
    pieces: Annotated[int, Meta(ge=0)]
    digest: Annotated[str, Meta(max_length=64)]


class PushFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put a file on the phone, in place of one that may be there. What breaks off leaves that as it was."""

    slot: SlotId
    path: PhonePath
    file: SentFile


class FilePushed(Struct, frozen=True, kw_only=True):
    """It is there."""

    status: str
    slot: SlotId
    path: str
    size: int


# --- apps ---------------------------------------------------------------------------------------------------------


class InstallApp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Install an app from an APK, or a newer version of it; its data stays. `grant`: with all permissions that it
    asks for."""

    slot: SlotId
    file: SentFile
    grant: bool = False


class UninstallApp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Remove an app with its data."""

    slot: SlotId
    package: Package


class AppChanged(Struct, frozen=True, kw_only=True):
    """What the phone said of it."""

    status: str
    slot: SlotId
    said: str


# --- the phone's log ----------------------------------------------------------------------------------------------


class FollowLogcat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines of the phone's own log, as they come (`text/event-stream`), and the last `lines` of before. `tag`: of one
    alone; `level`: and what is worse; `text`: a part of the line. At most 200 lines a second: a `gap` says how many
    were left out."""

    slot: SlotId
    buffer: Literal["main", "system", "radio", "events", "crash", "all"] = "main"
    tag: LogTag | None = None
    level: Literal["V", "D", "I", "W", "E", "F"] = "V"
    text: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    lines: Annotated[int, Meta(ge=1, le=1000)] = 1


class LogcatLine(Struct, frozen=True, kw_only=True):
    """A line of a phone's log. Control characters are replaced by signs that are seen."""

    line: str


class LogcatLines(Struct, frozen=True, kw_only=True):
    """Some of them, as they travel in a piece of the stream. `left_out`: how many before them were not."""

    lines: tuple[str, ...] = ()
    left_out: int = 0


# fmt: off
#              subject                                 request      reply         may be refused with
NEXT_PIECE = Rpc("ottb.v1.cmd.slot.{slot}.next_piece", NextPiece,   StreamPiece,  PHONE, timeout=30.0,
                 summary="The next bytes of a stream")
PUT_PIECE  = Rpc("ottb.v1.cmd.slot.{slot}.put_piece",  PutPiece,    StreamDone,   PHONE, timeout=30.0,
                 summary="The next bytes for a phone")
END_STREAM = Rpc("ottb.v1.cmd.slot.{slot}.end_stream", EndStream,   StreamDone,   frozenset(),
                 summary="End a stream")
OPEN_PUSH  = Rpc("ottb.v1.cmd.slot.{slot}.open_push",  OpenPush,    OpenedStream, HELD, timeout=15.0,
                 summary="Get ready to take a file", fallback=SLOT_ABSENT,
                 asks=SEES | {A.SLOT_PUSH, A.SLOT_APPS})
PULL_FILE  = Rpc("ottb.v1.cmd.slot.{slot}.pull",       PullFile,    OpenedStream, PHONE, timeout=20.0,
                 summary="A file of a phone", permission=A.SLOT_PULL, asks=SEES, fallback=SLOT_ABSENT,
                 audit_fields=("slot", "path"))
PUSH_FILE  = Rpc("ottb.v1.cmd.slot.{slot}.push",       PushFile,    FilePushed,   HELD | {E.CONFLICT}, timeout=30.0,
                 summary="Put a file on a phone", permission=A.SLOT_PUSH, asks=SEES, fallback=SLOT_ABSENT,
                 audit_fields=("slot", "path"))
INSTALL_APP = Rpc("ottb.v1.cmd.slot.{slot}.install",   InstallApp,  AppChanged,   HELD | {E.CONFLICT}, timeout=200.0,
                  summary="Install an app on a phone", permission=A.SLOT_APPS, asks=SEES, fallback=SLOT_ABSENT,
                  audit_fields=("slot",))
UNINSTALL_APP = Rpc("ottb.v1.cmd.slot.{slot}.uninstall", UninstallApp, AppChanged, HELD | {E.CONFLICT}, timeout=60.0,
                    summary="Remove an app from a phone", permission=A.SLOT_APPS, asks=SEES, fallback=SLOT_ABSENT,
                    audit_fields=("slot", "package"))
FOLLOW_LOGCAT = Rpc("ottb.v1.cmd.slot.{slot}.logcat",  FollowLogcat, OpenedStream, PHONE, timeout=15.0,
                    summary="Follow a phone's log", permission=A.SLOT_LOGCAT, asks=SEES, fallback=SLOT_ABSENT,
                    audit_fields=("slot",))
# fmt: on
