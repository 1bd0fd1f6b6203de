"""What the live feed does for clients and by itself, so that no failure of it is the end of more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import structlog

from actors.runtime.bus import BusError
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

log = structlog.get_logger()

AWAY = RefusalTemplate(ErrorCode.UNAVAILABLE, "The journal is not reachable now. Subscribe again.")
BROKEN = RefusalTemplate(ErrorCode.INTERNAL, "Internal error.")
NO_SUCH_ROOM = RefusalTemplate(
    ErrorCode.NOT_FOUND, "There is no such room. Say subscribe:ROOM, unsubscribe:ROOM or auth:refresh."
)


def answered(what: str, work: Callable[..., Awaitable[dict[str, Any]]]) -> Any:
    """What a client asks for, acknowledged once: `{"error": false, ...}`, or in the error format."""

    async def answer(sid: str, *given: Any) -> Any:
        try:
            return await work(sid, *given)
        except Refusal as refusal:
            return msgspec.to_builtins(refusal.as_refused())
        except BusError as error:
            log.warning("not done for a live client", asked=what, error=repr(error))
            return msgspec.to_builtins(AWAY().as_refused())
        except Exception:
            log.exception("not done for a live client", asked=what)
            return msgspec.to_builtins(BROKEN().as_refused())

    return answer


def unknown(rooms: Iterable[str]) -> Any:
    """What is answered where nothing of that name is served: who waits for it would not know why nothing comes."""
    names = sorted(rooms)

    async def answer(event: str, sid: str, *given: Any) -> Any:
        return msgspec.to_builtins(NO_SUCH_ROOM(rooms=names).as_refused())

    return answer


async def again_and_again(pause: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something every `pause` seconds, also after it has failed."""
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
        except Exception:
            log.exception("live feed: failed and goes on", work=getattr(work, "__name__", ""))
