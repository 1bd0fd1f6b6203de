"""What whoever began a run may do by now: asked again before each thing that is done in their name."""

from actors.runner.desk import Desk
from actors.runner.port import RunnerError
from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.permissions import Action
from bus_schemas.pipeline import ClaimedRun
from bus_schemas.user import IDENTIFY, Identify, LoginKind


class NotSaid(RunnerError):
    """Nobody can say it now."""


async def in_the_name_of(desk: Desk, run: ClaimedRun) -> Context:
    """Whoever began a run as they are now: a service token with no more than it may. Raises RunnerError where they are
    not there any more, NotSaid."""
    token = run.service_token
    asked = Identify(kind=LoginKind.CONNECTION if token is None else LoginKind.TOKEN, id=token or run.user)
    who = run.user if token is None else f"the service token of {run.user} that began this"
    try:
        found = await ask(desk.bus, IDENTIFY, asked, Context(command_id=desk.ids.new()))
    except Refusal as refusal:
        if refusal.code is not ErrorCode.AUTH_FAIL:
            raise NotSaid(refusal.message) from None
        raise RunnerError(f"{who} is not there any more") from None
    if Action.PIPELINE_RUN not in found.actions:
        raise RunnerError(f"{who} may not run pipelines any more")
    return Context(command_id=desk.ids.new(), user=run.user, actions=frozenset(found.actions))
