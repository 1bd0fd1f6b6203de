"""`ottb audit verify`: whether the audit's chain is whole."""

import msgspec

from actors.adapters.nats_bus import NatsBus
from actors.adapters.random_ids import RandomIds
from actors.audit.audit import SCOPE
from actors.audit.chain import Verdict, check
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.settings import Settings
from bus_schemas.audit import LIST_AUDIT, AuditRecord, AuditRecorded, ListAudit
from bus_schemas.errors import Refusal
from cli.site_bus import connect


async def verify(settings: Settings, noted: str | None) -> Verdict:
    """Follow the chain in the journal and compare its end with the records and with a head noted earlier
    (`NUMBER:HASH`), so that a chain that was cut short is found too. Raises BusUnavailable."""
    bus = await connect(settings, "gateway", name="ottb audit verify")
    try:
        links = [msgspec.json.decode(recorded.data, type=AuditRecorded) async for recorded in bus.replay(SCOPE)]
        verdict = check(links)
        heads = {(one.first + place, one.hash) for one in links for place in range(len(one.entries))}
        newest = await _newest(bus, verdict)
        if newest is not None and (newest.number, newest.hash) not in heads:
            verdict.problems.append(f"the records know number {newest.number}, and the chain does not")
        if noted is not None and not _known(noted, heads):
            verdict.problems.append(f"the noted head {noted} is not in the chain")
    finally:
        await bus.close()
    return verdict


async def _newest(bus: NatsBus, verdict: Verdict) -> AuditRecord | None:
    context = Context(command_id=RandomIds().new(), user="system", actions=frozenset({"audit.view"}))
    try:
        newest = await ask(bus, LIST_AUDIT, ListAudit(limit=1), context)
    except Refusal as refusal:
        verdict.problems.append(f"the records could not be asked: {refusal.message}")
        return None
    return newest[0] if newest else None


def _known(noted: str, heads: set[tuple[int, str]]) -> bool:
    number, _, hash = noted.partition(":")
    return number.isdigit() and (int(number), hash) in heads
