"""What the live feed does for clients and by itself, so that no failure of it is the end of more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from actors.runtime.bus import BusError
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate

log = structlog.get_logger()

AWAY = RefusalTemplate(ErrorCode.UNAVAILABLE, "The journal is not reachable now. Subscribe again.")
BROKEN = RefusalTemplate(ErrorCode.INTERNAL, "Internal error.")


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


async def again_and_again(pause: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something every `pause` seconds, also after it has failed."""
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
        except Exception:
            log.exception("live feed: failed and goes on", work=getattr(work, "__name__", ""))
