"""How the dialers of a host start."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from actors.call.settings import Calls
from actors.dialing.attempts import Attempts
from actors.dialing.extensions import Extensions
from actors.dialing.gate import Gate
from actors.dialing.limits import CallLimits
from actors.dialing.lines import HostLines
from actors.dialing.pool_share import PoolShare
from actors.dialing.rules import DialRules
from actors.dialing.settings import Dial
from actors.dialing.slot_dialer import SlotDialer
from actors.dialing.trunk_dialer import TrunkDialer
from actors.do_not_call.followed import Followed
from actors.runtime.parts import HostParts
from actors.runtime.service import serve
from actors.slot.registry import SlotRegistry
from actors.trunk.registry import TrunkRegistry
from bus_schemas.call import START_CALL, START_ON_SLOT
from bus_schemas.host import (
    AWAIT_DIALS,
    DIAL_ON_HOST,
    OFFER_LINES,
    RETURN_LINES,
    START_OFFERED,
    START_ON_HOST,
    SURVEY_LINES,
)
from bus_schemas.trunk import DIAL_ON_TRUNK, DIAL_PBX, HOLD_EXTENSION


@dataclass(frozen=True, kw_only=True)
class Dialling:
    """What others need of it: the gate that all calls pass, who puts calls in apps on record, and what one user may
    hold of the pool."""

    gate: Gate
    on_slots: SlotDialer
    share: PoolShare


async def start(
    parts: HostParts,
    stack: AsyncExitStack,
    *,
    settings: Dial,
    calls: Calls,
    limits: CallLimits,
    slots: SlotRegistry,
    trunks: TrunkRegistry,
    rules: DialRules,
    lists: Followed,
) -> Dialling:
    """Calls can be started. `limits`: of this host, which its lines tell of their calls. `lists`: of who is not to be
    called, beside what `rules` say."""
    host, peers = parts.host, parts.peers
    gate = Gate(rules=rules, lists=lists, clock=host.clock)
    attempts = Attempts(host=host, gate=gate, limits=limits, calls=calls)
    share = PoolShare(host=host, idle=slots.idle, limits=limits)
    on_slots = SlotDialer(
        host=host, slots=slots, gate=gate, attempts=attempts, share=share, calls_per_hour=settings.slot_calls_per_hour,
        peers=peers,
    )  # fmt: skip
    extensions = Extensions(host=host, calls_at_once=settings.extension_calls, share=share)
    share.extensions_of = extensions.held_by
    stack.callback(trunks.on_call_over(lambda slot, over: extensions.release(slot, over.id)))
    through_trunks = TrunkDialer(
        host=host, trunks=trunks, gate=gate, attempts=attempts, extensions=extensions, peers=peers
    )
    stack.callback(trunks.on_call_over(through_trunks.lines.call_over))
    lines = HostLines(slots=on_slots, trunks=through_trunks)
    host.serve_beside(START_ON_SLOT, on_slots.start_here)
    host.serve_beside(DIAL_ON_TRUNK, through_trunks.dial_here)
    host.serve_beside(HOLD_EXTENSION, extensions.hold)
    parts.any_host.append((serve(START_CALL, on_slots.start_call), serve(DIAL_PBX, through_trunks.dial)))
    parts.this_host.append(
        (
            serve(START_ON_HOST, on_slots.start_on_host),
            serve(DIAL_ON_HOST, through_trunks.dial_on_host),
            serve(OFFER_LINES, lines.offer),
            serve(RETURN_LINES, lines.take_back),
            serve(SURVEY_LINES, lines.survey),
            serve(START_OFFERED, lines.start),
            serve(AWAIT_DIALS, attempts.await_dials),
        )
    )
    return Dialling(gate=gate, on_slots=on_slots, share=share)


def limits_of(settings: Dial) -> CallLimits:
    """The limits of one host, with nothing counted yet."""
    return CallLimits(
        per_minute=settings.user_calls_per_minute,
        at_once=settings.user_concurrent_calls,
        pool_share=settings.user_pool_share,
    )
