"""The port to the ledger's store: one writer, many readers, droppable. Every method may raise StoreFailed."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from bus_schemas.audit import AuditRecord, AuditRecorded, ListAudit
from bus_schemas.call import CallEvent, CallView, Cdr, ListCdrs, OpenCall, OpenCalls
from bus_schemas.slot import AdbCommandResult, SlotConfig, SlotEvent, SlotStatus
from bus_schemas.trunk import TrunkEvent, TrunkView


class StoreFailed(Exception):
    """The store did not do it, nothing of it: a repeat may succeed. `kind`: in a word or two, for the log."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class StoreDamaged(StoreFailed):
    """What is stored cannot be trusted any more: only dropping it helps."""


class Untaken(Struct, frozen=True, kw_only=True):
    """An event that no table takes, and why."""

    seq: int
    reason: str


class Folded(Struct, frozen=True, kw_only=True):
    """One event of the journal, decoded. `event` None: of a kind that the ledger does not keep."""

    seq: int
    event: CallEvent | SlotEvent | TrunkEvent | AuditRecorded | None


class SlotRow(Struct, frozen=True, kw_only=True):
    """What is on record of a slot."""

    config: SlotConfig
    status: SlotStatus
    call_id: str | None
    last_activity: str | None


class Repository(Protocol):
    """Each method is one transaction. Times are ISO 8601 in UTC, so they sort as text."""

    def sequence(self) -> int:
        """The last event that is in. Makes the store if there is none, or none that can be read."""

    def entries(self) -> int:
        """How many entries of the journal were taken in since the store was empty."""

    def fold(self, batch: Sequence[Folded]) -> list[Untaken]:
        """Take events in, and their last sequence with them: each counts once, however often it is given. Returns those
        that were left out because they cannot be written."""

    def drop(self, *, aside: bool = False) -> None:
        """Forget everything. `aside`: keep what there was beside it, for whoever wants to know what it said."""

    def call(self, call_id: str) -> CallView | None: ...

    def calls(
        self, *, history: bool, limit: int, before: str | None, user: str | None = None
    ) -> list[tuple[str, CallView]]:
        """Calls of one user or of all, newest first, each with the key after which the next page begins."""

    def open_calls(self, wanted: OpenCalls, *, limit: int) -> list[OpenCall]:
        """Calls that are not over, oldest first; its `before` as `clock.utc` writes."""

    def cdr(self, call_id: str) -> Cdr | None: ...

    def cdrs(
        self, wanted: ListCdrs, *, limit: int, before: int | None, user: str | None = None
    ) -> list[tuple[str, Cdr]]:
        """Ended calls of one user or of all that `wanted` asks for, newest first, each with its key; times as
        `clock.utc` writes them."""

    def recording(self, call_id: str) -> str | None:
        """Where the recording of a call is (`<pbx>/<file>`)."""

    def trunks(self) -> list[TrunkView]:
        """All trunks by name, as far as they are on record."""

    def slots(self) -> list[SlotRow]:
        """All slots by number."""

    def command(self, slot: int, command_id: str) -> AdbCommandResult | None: ...

    def audit(self, wanted: ListAudit, *, limit: int, before: int | None) -> list[AuditRecord]:
        """The audit's records that `wanted` asks for, newest first; its `since` and `until` as `clock.utc` writes."""

    def close(self) -> None: ...
