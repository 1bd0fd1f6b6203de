"""Erasures: what is done where a person asks that nothing be kept of them, and the record that it was done."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.contract import READ_AGAIN, Rpc, Topic
from bus_schemas.do_not_call import Remark
from bus_schemas.errors import ErrorCode, RefusalTemplate
from bus_schemas.fields import HostName, Id, Username, Utc
from bus_schemas.permissions import Action

E = ErrorCode
A = Action

NUMBERS = 5  # of one person, in one request
NO_ERASURE = RefusalTemplate(ErrorCode.NOT_FOUND, "No such erasure.")
BEING_CALLED = RefusalTemplate(ErrorCode.CONFLICT, "A call with this person is under way: ask again when it is over.")

ErasureId = Annotated[Id, Meta(examples=["er_5k2a"])]
Mark = Annotated[str, Meta(
    examples=["+0384719283746192834"],
    description="What stands for a number that was erased: made of it with the site's key.",
)]  # fmt: skip


class ErasureStatus(StrEnum):
    """What has become of one."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ErasePerson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Erase who has these numbers, as people write them: each lead that has one of them, with all of its numbers, and
    what is on record of calls to and notes on them. `reason`: who asked, and when, for the audit; no name or number."""

    numbers: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(min_length=1, max_length=NUMBERS)
    ]
    reason: Remark


class GetErasure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One erasure."""

    erasure: ErasureId


class ListErasures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that there were, the newest first."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class EraseOnShard(Struct, frozen=True, kw_only=True):
    """For whoever has the shard: begin one. The numbers are where its owner finds them, under its id."""

    shard: int
    erasure: ErasureId
    marks: tuple[Mark, ...]
    reason: str


class EraseFiles(Struct, frozen=True, kw_only=True):
    """Recordings to be deleted where the folders of their PBXs are: each as `<pbx>/<file>`."""

    host: HostName
    recordings: tuple[str, ...]


class FilesErased(Struct, frozen=True, kw_only=True):
    """How many were there."""

    files: int


class ReadAnew(Struct, frozen=True, kw_only=True):
    """For whoever has the shard: have an actor, if it is there, be read from its record anew."""

    shard: int
    kind: str
    id: Id


class WasRead(Struct, frozen=True, kw_only=True):
    """It was."""


class Erased(Struct, frozen=True, kw_only=True):
    """What was found: entries of the journal that were changed, leads, calls, notes, recordings that were deleted, and
    entries of the platform's log and of what steps of pipelines wrote (`outputs`) that were. `left`: entries that say
    one of the numbers where nothing is ever changed (as a user's name, say), or that could not be changed, definitions
    of pipelines that say number or name, and, in log and outputs, those where too many say the name."""

    entries: int = 0
    leads: int = 0
    calls: int = 0
    notes: int = 0
    recordings: int = 0
    log: int = 0
    outputs: int = 0
    left: int = 0


class ErasureView(Struct, frozen=True, kw_only=True):
    """One erasure. `marks`: what stands for the numbers now. `why`: it failed."""

    erasure: ErasureId
    status: ErasureStatus
    by: Username
    at: Utc
    reason: str
    marks: tuple[Mark, ...]
    erased: Erased = Erased()
    ended: Utc | None = None
    why: str = ""


# fmt: off
ERASE_PERSON   = Rpc("ottb.v1.cmd.erasures.begin",  ErasePerson,  ErasureView, frozenset({E.CONFLICT}),
                     summary="Erase a person", permission=A.LEAD_ERASE, timeout=15.0,
                     audit_fields=("erasure", "marks", "reason"))
GET_ERASURE    = Rpc("ottb.v1.qry.erasure.get",     GetErasure,   ErasureView, frozenset({E.NOT_FOUND}),
                     summary="What became of an erasure", permission=A.LEAD_ERASE, again=READ_AGAIN)
LIST_ERASURES  = Rpc("ottb.v1.qry.erasure.list",    ListErasures, list[ErasureView], frozenset(),
                     summary="All erasures", permission=A.LEAD_ERASE)

# Between parts of the platform.
ERASE_ON_SHARD = Rpc("ottb.v1.cmd.shard.{shard}.erase", EraseOnShard, ErasureView, frozenset(),
                     summary="Begin an erasure on its shard", timeout=12.0)
READ_ANEW      = Rpc("ottb.v1.cmd.shard.{shard}.read_anew", ReadAnew, WasRead, frozenset(),
                     summary="Have a campaign or pipeline read its record anew", timeout=30.0)
ERASE_FILES    = Rpc("ottb.v1.cmd.host.{host}.erase_files", EraseFiles, FilesErased, frozenset(),
                     summary="Delete recordings", timeout=20.0)
# fmt: on


class ErasureBegun(Struct, frozen=True, kw_only=True):
    """Somebody is to be erased."""

    erasure: ErasureId
    at: Utc
    by: Username
    reason: str
    marks: tuple[Mark, ...]


class ErasureActivated(Struct, frozen=True, kw_only=True):
    """A host does it; older owners can no longer write."""

    erasure: ErasureId
    at: Utc
    host: HostName
    epoch: int


class ErasureCleared(Struct, frozen=True, kw_only=True):
    """The journal says nothing of the person any more: whatever was made of it before is made anew."""

    erasure: ErasureId
    at: Utc
    erased: Erased


class ErasureDone(Struct, frozen=True, kw_only=True):
    """Nothing is left to be done."""

    erasure: ErasureId
    at: Utc


class ErasureFailed(Struct, frozen=True, kw_only=True):
    """It cannot be done here."""

    erasure: ErasureId
    at: Utc
    why: str


ErasureEvent = ErasureBegun | ErasureActivated | ErasureCleared | ErasureDone | ErasureFailed

# fmt: off
ERASURE_BEGUN     = Topic("ottb.v1.evt.erasure.{erasure}.begun",     ErasureBegun,     "Somebody is to be erased")
ERASURE_ACTIVATED = Topic("ottb.v1.evt.erasure.{erasure}.activated", ErasureActivated, "An erasure has a new owner")
ERASURE_CLEARED   = Topic("ottb.v1.evt.erasure.{erasure}.cleared",   ErasureCleared,   "The journal is cleared")
ERASURE_DONE      = Topic("ottb.v1.evt.erasure.{erasure}.done",      ErasureDone,      "Somebody was erased")
ERASURE_FAILED    = Topic("ottb.v1.evt.erasure.{erasure}.failed",    ErasureFailed,    "It could not be done")
# fmt: on
