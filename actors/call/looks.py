"""What a look at the outside says of one call: which of the calls there it is, and whether its times can be right."""

from actors.call.record import Call
from actors.runtime.clock import Moment, elapsed
from actors.telephony.reports import (
    NOTE_SLACK,
    ORDER_LASTS,
    LiveCall,
    Look,
    Looked,
    PastCall,
    boot_of,
    came_of,
    may_follow,
    newer,
    oldest,
)

RESTARTED_WITHIN = 10.0  # seconds; who was up that long before the call was heard of was not restarted since
AGE_SLACK = 3.0  # seconds by which the phone's age of a call may exceed ours: whole seconds, and a slow shell


def ours(call: Call, look: Look, now: Moment) -> tuple[LiveCall | None, PastCall | None]:
    """The call of ours in a look, by its name there."""
    name = call.ref or (_name_by_order(call, look, now) if call.trunk is None else call.call_id)
    live = next((seen for seen in look.live if seen.ref == name), None)
    past = next((seen for seen in look.past if seen.ref == name), None)
    return live, past


def _name_by_order(call: Call, look: Look, now: Moment) -> str | None:
    """The name of the first call that went out after the phone noted our order. None: there is none, or nobody can say
    whether it is the first. One that was not known before the attempt and seems older than that shows that the phone's
    clock was set, so that it may be the first, too."""
    order = look.order
    if order is None or order.call_id != call.call_id:
        return None
    seen: tuple[LiveCall | PastCall, ...] = (*look.live, *look.past)
    # A note is of this boot, so what was known of an earlier one says nothing of what came before the order.
    new = [one for one in seen if newer(one.ref, call.after_ref)]
    first = oldest(one for one in new if may_follow(order, one))
    if first is None or not came_of(order, first):
        return None
    passed_over = [one for one in new if newer(first.ref, one.ref)]
    known = call.after_ref is not None and boot_of(call.after_ref) == look.boot
    # By the clock of another boot nobody can say when it was attempted; it cannot have been later than the note.
    attempted = elapsed(call.started, now)[0] if call.started.boot == now.boot else order.age
    return None if known and any(one.created_age > attempted + NOTE_SLACK for one in passed_over) else first.ref


def clocks_differ(call: Call, created_age: float, looked: Looked, now: Moment) -> bool:
    """Whether the phone's age of a call cannot be right, or ours: one of the clocks was set meanwhile. The note of the
    order stands on the phone's uptime, which nobody sets; a call whose order is not noted has only our own clock."""
    order = looked.look.order if looked.look is not None else None
    if call.started.boot == now.boot and created_age > elapsed(call.started, now)[0] + AGE_SLACK:
        return True  # whatever it has noted, it was not in this call before it was attempted
    if order is not None and order.call_id == call.call_id:
        return not -NOTE_SLACK <= order.age - created_age <= ORDER_LASTS
    return abs(created_age - elapsed(call.started, now)[0]) > AGE_SLACK + ORDER_LASTS


def never_left(call: Call, look: Look | None, now: Moment) -> bool:
    """Whether the phone would have noted our order, and has not. One that was started anew since knows nothing, and one
    that has noted a later order nothing of ours."""
    if call.trunk is not None or look is None or call.after_ref is None:
        return False
    same_boot = boot_of(call.after_ref) == look.boot
    if not same_boot or look.order is None:
        return same_boot
    older = call.started.boot == now.boot and look.order.age > elapsed(call.started, now)[0]
    return look.order.call_id != call.call_id and older


def of_another_phone(call: Call, look: Look, now: Moment) -> bool:
    """Whether a look was at another phone than the one that the call was ordered of: it is in another boot, and was up
    before the call was last known to be. A phone that was restarted was not, and one that noted our order is ours."""
    boot = boot_of(call.ref or call.after_ref)
    if call.trunk is not None or look.up is None or boot in ("", look.boot):
        return False
    if look.order is not None and look.order.call_id == call.call_id:
        return False
    known = [elapsed(told, now) for told in (call.started, call.rung, call.answered) if told is not None]
    ages = [age for age, suspect in known if not suspect] + ([now.mono - call.heard] if call.heard else [])
    return bool(ages) and look.up > min(ages) + RESTARTED_WITHIN
