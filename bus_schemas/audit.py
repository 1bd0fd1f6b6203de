"""The audit: who did what, on what, over which door, with which result."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bus_schemas.contract import Rpc, Topic
from bus_schemas.errors import ErrorCode
from bus_schemas.fields import GivenTime, Sought, SoughtBeginning, Utc, shaped
from bus_schemas.permissions import Action

UNKNOWN = "UNKNOWN"  # the result of an action whose door did not live to say it
ENDED_SESSION = "ended_session"  # in the details of a refusal, and on the audit: the session that it has ended
SEVERAL = "several"  # the action and result of refusals that are told by their number and asker only

_RESULTS = ("OK", UNKNOWN, SEVERAL, *ErrorCode)
Result = Annotated[
    str, shaped(rf"^({'|'.join(_RESULTS)})$(?!\n)", ", ".join(f"`{one}`" for one in _RESULTS))
]


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One action, or the attempt. `credential`: the session or service token. `door`: http, bus or system. `result`:
    OK, the error code, or UNKNOWN when the door died before it could say. `count`: so many refusals alike, the first of
    them at `first`, the last at `at`; both are left out where it is one action."""

    at: Utc
    user: str
    door: str
    action: str
    result: str
    subject: dict[str, str | int] = {}
    credential: str | None = None
    address: str = ""
    request_id: str = ""
    trace_id: str | None = None
    count: int | UnsetType = UNSET
    first: Utc | UnsetType = UNSET


class RecordAudit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put this on the audit. Answered once it is on record. `intent`: of which intent this is the outcome."""

    entry: AuditEntry
    intent: str = ""


class IntendAudit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This is about to be done. `entry` is how it goes on the audit if nobody says in time how it went."""

    intent: str
    entry: AuditEntry


class WithdrawAudit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing was done of an intent, and no entry of its own follows: it was refused, and is counted with others."""

    intent: str


class Intended(Struct, frozen=True, kw_only=True):
    """It was heard."""


class Audited(Struct, frozen=True, kw_only=True):
    """Its number in the chain."""

    number: int


class AuditRecord(Struct, frozen=True, kw_only=True):
    """An entry with its place in the chain. `count` above 1, or `first` set: refusals alike that are one record, from
    `first` to `at`."""

    number: int
    at: Utc
    user: str
    door: str
    action: str
    result: str
    subject: dict[str, str | int]
    credential: str | None
    address: str
    request_id: str
    trace_id: str | None
    hash: str
    count: int = 1
    first: Utc | None = None


class ListAudit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Audit records, newest first. `action`: its beginning (`POST /api/call`). `until` is not included.
    `format=csv` for a table."""

    user: Sought | None = None
    action: SoughtBeginning | None = None
    result: Result | None = None
    request_id: Sought | None = None
    since: GivenTime | None = None
    until: GivenTime | None = None
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Annotated[str, Meta(max_length=128)] | None = None


class ExamineAudit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether questions to the ledger are answered by all the rows that its table of the audit has."""


class Examined(Struct, frozen=True, kw_only=True):
    """`problems`: of the table and its indexes; `unseen`: why nobody could look at the indexes."""

    problems: list[str]
    unseen: str | None = None


class AuditRecorded(Struct, frozen=True, kw_only=True):
    """Entries that were written together. `first`: the number of the first. `hash` is the SHA-256, hexadecimal, of
    `previous` and the entries as they stand here (`actors/audit/chain.py`). `intents`: for each entry
    the intent of which it is the outcome, or nothing; the hash does not cover them. `erased`: something in the entries
    was erased since, so that the hash, which stays, is of what they said before."""

    first: int
    entries: list[AuditEntry]
    previous: str
    hash: str
    intents: list[str] = []
    erased: bool = False


# fmt: off
RECORD_AUDIT = Rpc("ottb.v1.cmd.audit.record", RecordAudit, Audited,           frozenset(),
                   summary="Put an action on the audit", timeout=12.0, again=1.0)
INTEND_AUDIT = Rpc("ottb.v1.cmd.audit.intend", IntendAudit, Intended,          frozenset(),
                   summary="Announce an action; every host hears it, and nobody waits for the answer")
WITHDRAW_AUDIT = Rpc("ottb.v1.cmd.audit.withdraw", WithdrawAudit, Intended,    frozenset(),
                     summary="An announced action was refused; every host hears it")
LIST_AUDIT   = Rpc("ottb.v1.qry.audit.list",   ListAudit,   list[AuditRecord], frozenset(),
                   summary="Who did what", permission=Action.AUDIT_VIEW)
EXAMINE_AUDIT = Rpc("ottb.v1.qry.audit.examine", ExamineAudit, Examined,       frozenset(), timeout=30.0,
                    summary="Whether the ledger's indexes leave out rows of the audit", again=12.0)

AUDIT_RECORDED = Topic("ottb.v1.evt.audit.chain.recorded", AuditRecorded, "Actions were put on the audit")
# fmt: on
