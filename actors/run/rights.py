"""What whoever asked for a run may do by now. It was asked when they came; a run that has waited since, or that goes
on, does nothing for somebody who may not do it any more.
"""

from actors.runtime.context import Context
from actors.runtime.host import Host
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate
from bus_schemas.permissions import Action
from bus_schemas.user import IDENTIFY, Identify, LoginKind

GONE = RefusalTemplate(ErrorCode.PERMISSION_DENIED, "Whoever asked for this run has no account any more.")
MAY_NOT = RefusalTemplate(ErrorCode.PERMISSION_DENIED, "Whoever asked for this run may not run scripts any more.")


async def rights_now(host: Host, user: str, *, retry: bool = False) -> Context:
    """A user as they may run scripts now. `retry`: for some seconds, while nobody is there to say it. Raises Refusal:
    PERMISSION_DENIED, they are deleted or disabled, or may run none; another, nobody can say it now."""
    asked = Identify(kind=LoginKind.CONNECTION, id=user)
    try:
        found = await ask(host.bus, IDENTIFY, asked, Context(command_id=host.ids.new()), retry=retry)
    except Refusal as refusal:
        raise (GONE() if refusal.code is ErrorCode.AUTH_FAIL else refusal) from None
    if Action.SCRIPT_RUN not in found.actions:
        raise MAY_NOT()
    return Context(command_id=host.ids.new(), user=user, actions=frozenset(found.actions))
