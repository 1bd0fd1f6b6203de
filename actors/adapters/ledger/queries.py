"""What the ledger is asked, in SQL. Each method is one reading of one connection."""

import sqlite3
from contextlib import AbstractContextManager
from typing import Any

from actors.adapters.ledger import rows
from actors.ledger.repository import SlotRow
from bus_schemas.audit import AuditRecord, ListAudit
from bus_schemas.call import CallView, Cdr, ListCdrs, OpenCall, OpenCalls
from bus_schemas.slot import AdbCommandResult
from bus_schemas.trunk import TrunkView


class Queries:
    """The reading half of the store."""

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """This thread's connection."""
        raise NotImplementedError

    def call(self, call_id: str) -> CallView | None:
        row = self._one("SELECT * FROM calls WHERE call_id = ?", call_id)
        return rows.call_view(row) if row is not None else None

    def calls(
        self, *, history: bool, limit: int, before: str | None, user: str | None = None
    ) -> list[tuple[str, CallView]]:
        live = "" if history else "INDEXED BY live_calls"  # not all that a user ever called
        where = ("" if history else "phase <> 'ended' AND ") + ("" if user is None else "user = ? AND ")
        found = self._all(
            f"SELECT * FROM calls {live} WHERE {where} seq < ? ORDER BY seq DESC LIMIT ?",
            *(() if user is None else (user,)),
            int(before) if before else 2**62,
            limit,
        )
        return [(str(row["seq"]), rows.call_view(row)) for row in found]

    def open_calls(self, wanted: OpenCalls, *, limit: int) -> list[OpenCall]:
        where, values = rows.open_filter(wanted)
        found = self._all(
            "SELECT call_id, line, slot, user, trunk, start_time FROM calls INDEXED BY live_calls"
            f" WHERE {where} ORDER BY seq LIMIT ?",
            *values,
            limit,
        )
        return [OpenCall(**dict(row)) for row in found]

    def cdr(self, call_id: str) -> Cdr | None:
        row = self._one("SELECT * FROM calls WHERE call_id = ? AND phase = 'ended'", call_id)
        return rows.cdr(row) if row is not None else None

    def cdrs(
        self, wanted: ListCdrs, *, limit: int, before: int | None, user: str | None = None
    ) -> list[tuple[str, Cdr]]:
        where, values = rows.cdr_filter(wanted, before, user)
        found = self._all(f"SELECT * FROM calls WHERE {where} ORDER BY seq DESC LIMIT ?", *values, limit)
        return [(str(row["seq"]), rows.cdr(row)) for row in found]

    def recording(self, call_id: str) -> str | None:
        row = self._one("SELECT recording FROM calls WHERE call_id = ? AND phase = 'ended'", call_id)
        return row["recording"] if row is not None else None

    def trunks(self) -> list[TrunkView]:
        return [rows.trunk_view(row) for row in self._all("SELECT * FROM trunks ORDER BY trunk")]

    def slots(self) -> list[SlotRow]:
        return [rows.slot_row(row) for row in self._all("SELECT * FROM slots ORDER BY slot")]

    def command(self, slot: int, command_id: str) -> AdbCommandResult | None:
        row = self._one("SELECT * FROM commands WHERE command_id = ? AND slot = ?", command_id, slot)
        return rows.command(row) if row is not None else None

    def audit(self, wanted: ListAudit, *, limit: int, before: int | None) -> list[AuditRecord]:
        where, values = rows.audit_filter(wanted, before)
        found = self._all(f"SELECT * FROM audit WHERE {where} ORDER BY number DESC LIMIT ?", *values, limit)
        return [rows.audit_record(row) for row in found]

    def _one(self, query: str, *values: Any) -> sqlite3.Row | None:
        return next(iter(self._all(query, *values)), None)

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self.reading() as db:
            return db.execute(query, values).fetchall()
