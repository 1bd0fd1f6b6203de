"""TLS before a connection is anybody's: how many may be at it, and how long.

asyncio's own listener knows a connection only once its handshake is done: whoever connects and says nothing would be
counted nowhere, for a minute.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from actors.runtime.addresses import neighbourhood

HANDSHAKE_SECONDS = 5.0
SHUTDOWN_SECONDS = 5.0  # for a client to answer that the connection ends
PER_ADDRESS = 64  # handshakes of one address at once
IN_ALL = 1024

Cut = Callable[[], None]


class Waiting:
    """The handshakes that are under way, by address (of IPv6 by its network). Beyond so many the oldest is cut, since
    those who mean it are done at once. `trusts`: whether an address is a proxy's of the site, which stands for many
    clients."""

    def __init__(
        self, *, per_address: int = PER_ADDRESS, in_all: int = IN_ALL, trusts: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._per_address, self._in_all, self._trusts = per_address, in_all, trusts
        self._all: dict[Cut, str] = {}  # the oldest first
        self._here: dict[str, dict[Cut, None]] = {}

    def enter(self, address: str, cut: Cut) -> None:
        """One begins."""
        near = neighbourhood(address)
        mine = self._here.get(near, {})
        if len(mine) >= self._per_address and not self._trusts(address):
            self._end(next(iter(mine)))
        elif len(self._all) >= self._in_all:
            self._end(next(iter(self._all)))
        self._all[cut] = near
        self._here.setdefault(near, {})[cut] = None

    def leave(self, cut: Cut) -> None:
        """It is over. A second time is none."""
        near = self._all.pop(cut, None)
        if near is not None:
            del self._here[near][cut]
            if not self._here[near]:
                del self._here[near]

    def _end(self, oldest: Cut) -> None:
        self.leave(oldest)
        oldest()


class Greeter(asyncio.Protocol):
    """A connection until it is encrypted; then it is the protocol's that `make` gives."""

    def __init__(self, *, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext, waiting: Waiting) -> None:
        self._make = make
        self._context = context
        self._waiting = waiting
        self._early = bytearray()  # what came with the end of the handshake
        self._lost: tuple[Exception | None] | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._task = asyncio.get_running_loop().create_task(
            self._greet(cast(asyncio.Transport, transport), str(peer[0]) if peer else "")
        )

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = (exc,)

    async def _greet(self, plain: asyncio.Transport, address: str) -> None:
        secured = await self._secured(plain, address)
        if secured is None or self._lost is not None:
            return
        protocol = self._make()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if self._early:
            protocol.data_received(bytes(self._early))

    async def _secured(self, plain: asyncio.Transport, address: str) -> asyncio.Transport | None:
        cut = plain.abort
        self._waiting.enter(address, cut)
        try:
            return await asyncio.get_running_loop().start_tls(
                plain, self, self._context, server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS, ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )  # fmt: skip
        except (OSError, TimeoutError):  # no TLS, or none that we speak; nobody is told, for anybody can do it
            plain.abort()
            return None
        finally:
            self._waiting.leave(cut)
