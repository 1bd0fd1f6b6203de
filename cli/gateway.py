"""The gateway of the site on this machine, as commands ask it: over the HTTP API, as anybody would."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection

from actors.adapters.peer import keep_from_strangers
from actors.adapters.tls import BadCertificate, trusting
from actors.settings import Http
from bus_schemas.errors import ErrorCode
from ottb_client import ApiError, Client

Answer = TypeVar("Answer")

SECONDS = 15.0


class NotDone(Exception):
    """What a command is for cannot be done. The message says why."""


class Session:
    """Somebody who has logged in, and asks one thing after the other: `session.done(session.api.get_slot(44))`."""

    def __init__(self, api: Client, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.api = api
        self._run = run

    def done(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """The answer. Raises ApiError."""
        answer: Answer = self._run(asked)
        return answer


@contextmanager
def session(given: Http, port: int, owner: int, user: str, password: str) -> Iterator[Session]:
    """A login for as long as the block lasts, at a port where the user `owner` must be who answers: known by the
    certificate, or from the kernel. Raises NotDone, ApiError."""
    try:
        tls = trusting(given.certificate) if given.certificate else None
    except BadCertificate as error:
        raise NotDone(str(error)) from None
    connector = partial(aiohttp.TCPConnector, ssl=tls) if tls is not None else partial(_OwnConnector, owner)
    api, stack = Client(given.url(port), seconds=SECONDS, connector=connector), AsyncExitStack()
    with asyncio.Runner() as runner:
        try:
            runner.run(_begin(api, stack, user, password))
            yield Session(api, runner.run)
        finally:
            runner.run(stack.aclose())


def in_words(error: ApiError) -> str:
    """Why something was not done, for who typed the command."""
    nobody = error.status == 0 and error.code == ErrorCode.UNAVAILABLE
    return f"no gateway at {error}. Start it with `make run`." if nobody else str(error)


async def _begin(api: Client, stack: AsyncExitStack, user: str, password: str) -> None:
    await stack.enter_async_context(api)
    await api.login(user, password)
    stack.push_async_callback(_end, api)


async def _end(api: Client) -> None:
    with suppress(ApiError):  # it ends by itself
        await api.logout()


class _OwnConnector(aiohttp.TCPConnector):
    """Speaks to one user of this machine alone."""

    def __init__(self, owner: int) -> None:
        super().__init__()
        self._owner = owner

    async def connect(
        self, req: ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        assert connection.transport is not None
        socket = connection.transport.get_extra_info("socket")
        try:
            await asyncio.to_thread(keep_from_strangers, socket, self._owner, SECONDS)
        except OSError:
            connection.close()
            raise
        return connection
