"""What whoever began a run may do by now: asked again before each thing that is done in their name."""

from actors.runner.desk import Desk
from actors.runner.port import RunnerError
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.user import IDENTIFY, Identify, LoginKind


async def in_the_name_of(desk: Desk, user: str) -> Context:
    """A user as they are now. Raises RunnerError where they are not there any more, or nobody can say it."""
    asked = Identify(kind=LoginKind.CONNECTION, id=user)
    try:
        found = await ask(desk.bus, IDENTIFY, asked, Context(command_id=desk.ids.new()))
    except Refusal as refusal:
        gone = refusal.code is ErrorCode.AUTH_FAIL
        raise RunnerError(f"{user} has no account any more" if gone else refusal.message) from None
    if Action.PIPELINE_RUN not in found.actions:
        raise RunnerError(f"{user} may not run pipelines any more")
    return Context(command_id=desk.ids.new(), user=user, actions=frozenset(found.actions))
