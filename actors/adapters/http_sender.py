"""Posts what webhooks say. The address that is judged is the one that is connected to: a name is resolved once for
each connection, and each address that comes of it is judged as its socket is made, so none that changes in between is
reached, whoever answers for the name.
"""

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

from actors.adapters.tls import to_anybody
from actors.runtime.version import version
from actors.webhook.addresses import Network, forbidden, wrong_url
from actors.webhook.sender import NotSent, Said
from bus_schemas.webhook import LONGEST_RESPONSE

CONNECTIONS = 256  # at once; the host holds fewer under way
LONGEST_LINE = 8190  # bytes of a line or a field of an answer's head
AT_ONCE = 4 * 1024  # bytes that the kernel keeps of an answer, so that no more are read in one go, with TLS or without
LOOKUPS, LOOKUPS_EACH = 64, 8  # names that are looked up at once, of all and of one user: each may take far longer than
# anybody waits for it
INTERIM = 4  # answers before the answer (1xx), of which a receiver could send any number
OWN = {
    "User-Agent": f"OTTB-Webhook/{version()}", "Content-Type": "application/json", "Accept-Encoding": "identity",
}  # fmt: skip


_user: ContextVar[str] = ContextVar("user", default="")  # for whom is posted, of which aiohttp tells a resolver nothing


class Forbidden(OSError):
    """An address that nothing is posted to."""


class Names(AbstractResolver):
    """Asks the system, in threads of its own, of which each user has some: whoever has names that nobody answers for
    takes none of others' work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="names of receivers")
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # by user

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=numeric
            )
            for kind, _, protocol, _, address in await self._asked(ask)
        ]

    async def _asked(self, ask: Callable[[], list[Any]]) -> list[Any]:  # any: as getaddrinfo says it
        """What the system says. Its place is taken until then, also where nobody waits for that any more."""
        places = self._places.setdefault(_user.get(), asyncio.Semaphore(LOOKUPS_EACH))
        loop = asyncio.get_running_loop()

        def over(_: "Future[list[Any]]") -> None:
            with suppress(RuntimeError):  # this host has ended meanwhile
                loop.call_soon_threadsafe(places.release)

        await places.acquire()
        asked = self._threads.submit(ask)
        asked.add_done_callback(over)
        return await asyncio.wrap_future(asked)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Answer(aiohttp.ClientResponse):
    """One before which there are few others."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol, left = connection.protocol, INTERIM + 1
        assert protocol is not None
        read = protocol.read

        async def bounded() -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise aiohttp.ClientPayloadError
            return await read()

        setattr(protocol, "read", bounded)  # noqa: B010  a connection is for one post
        return await super().start(connection)


class HttpSender:
    """Posts over HTTP(S). `allowed`: networks that are reached although they are not anybody's; `http`: also without
    TLS; `connect`, `whole`: seconds. `resolver`: None: the system's."""

    def __init__(
        self, *, allowed: Collection[Network], http: bool, connect: float, whole: float,
        resolver: AbstractResolver | None = None,
    ) -> None:  # fmt: skip
        self._allowed = allowed
        self._http = http
        self._timeout = aiohttp.ClientTimeout(total=whole, connect=connect, sock_connect=connect)
        self._resolver = resolver or Names()
        self._tls = to_anybody()
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, user: str = "") -> Said:
        """See the port."""
        _user.set(user)
        if (wrong := wrong_url(url, http=self._http, allowed=self._allowed)) is not None:
            raise NotSent(wrong)
        try:
            async with self._client().post(
                url, data=body, headers={**headers, **OWN}, allow_redirects=False
            ) as answer:
                said = Said(code=answer.status, body=await _beginning(answer))
                answer.close()  # whatever more there is
                return said
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NotSent(_words(error)) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver, use_dns_cache=False, force_close=True,
                limit=CONNECTIONS, socket_factory=self._socket, ssl=self._tls,
            )  # fmt: skip
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
                auto_decompress=False, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE, response_class=_Answer,
            )  # fmt: skip
        return self._session

    def _socket(self, found: Any) -> socket.socket:  # any: of an address family, as getaddrinfo says it
        """The socket of one address that is about to be connected to. Raises Forbidden."""
        family, kind, protocol, _, address = found
        if (why := forbidden(str(address[0]), self._allowed)) is not None:
            raise Forbidden(f"the address is not allowed: {why}")
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, AT_ONCE)
        return made


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """As much of the body as anybody is shown. One that ends too early, or never, is shown as far as it came."""
    found = b""
    try:
        while len(found) < LONGEST_RESPONSE and (piece := await answer.content.read(LONGEST_RESPONSE - len(found))):
            found += piece
    except aiohttp.ClientError:
        pass
    return found


def _words(error: BaseException) -> str:
    """Why there was no answer, without what the system says of its inside."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        return _of_connecting(error.os_error)
    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate is not good, or it does not speak TLS"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it has closed the connection without an answer"
    no_http = isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError)
    return "what it answered is no HTTP" if no_http else "the connection broke"


def _of_connecting(error: BaseException) -> str:
    if "the address is not allowed" in str(error):
        return str(error).rpartition("Multiple exceptions: ")[2].partition(",")[0]
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return "nothing listens there" if isinstance(error, ConnectionRefusedError) else "it cannot be reached"
