"""The transports under Socket.IO: what is written to one, and how one ends, whether its client reads or not."""

import asyncio
from typing import Any

import socketio
import structlog
from engineio.packet import MESSAGE
from engineio.packet import Packet as Frame
from socketio.packet import BINARY_ACK, BINARY_EVENT, Packet

log = structlog.get_logger()

SLOWEST = 2_000  # frames that may wait for one client
CLOSING = 2.0  # seconds for a client to take what was said before its transport is closed
UNNAMED = 10.0  # seconds a transport may stay without having logged in


class TextOnly(Packet):  # type: ignore[misc]  # python-socketio has no types
    """Packets without attachments: a client could have the server collect them without end."""

    def decode(self, encoded_packet: str) -> Any:
        attachments = super().decode(encoded_packet)
        if self.packet_type in (BINARY_EVENT, BINARY_ACK):
            raise ValueError("binary packets are not accepted")
        return attachments


class Transports:
    """The transports of one Socket.IO server, by the id that engineio gives each."""

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._eio = server.eio
        self._tasks: set[asyncio.Task[None]] = set()
        self._unnamed: dict[str, float] = {}

    def write(self, transport: str, text: str) -> None:
        """Queue a frame for one client. One that does not read is cut off: it can come back with `since`."""
        socket = self._eio.sockets.get(transport)
        if socket is None or socket.closed or socket.closing:
            return
        if socket.queue.qsize() >= SLOWEST:
            log.info("slow client cut off", transport=transport)
            socket.closing = True  # nothing more is put into it
            self.close_later(transport, after=0.0)
            return
        socket.queue.put_nowait(Frame(MESSAGE, data=text))

    def close_later(self, transport: str, *, after: float) -> None:
        """Close one in so many seconds."""

        async def close() -> None:
            await asyncio.sleep(after)
            await self.close(transport)

        task = asyncio.get_running_loop().create_task(close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, transport: str) -> None:
        """End a client's transport. One that does not read is not waited for; what waits for it is dropped, and the
        connection ends by itself (`server.UNREAD_SECONDS`)."""
        socket = self._eio.sockets.get(transport)
        if socket is None:
            return
        try:
            async with asyncio.timeout(CLOSING):
                await self._eio.disconnect(transport)
        except TimeoutError:
            self._eio.sockets.pop(transport, None)
            while not socket.queue.empty():
                socket.queue.get_nowait()
                socket.queue.task_done()
        except Exception:
            log.exception("transport not closed", transport=transport)
        socket.queue.put_nowait(None)  # the writer's end: it closes the connection, whether the client does or not

    async def close_all(self) -> None:
        await asyncio.gather(*(self.close(transport) for transport in list(self._eio.sockets)))

    async def stop(self) -> None:
        """Close every transport, and wait for nothing else."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.close_all()

    async def close_unnamed(self, named: set[str]) -> None:
        """Close those whose client has not logged in for too long. `named`: those of clients that have."""
        now = asyncio.get_running_loop().time()
        waiting = [transport for transport in self._eio.sockets if transport not in named]
        self._unnamed = {transport: self._unnamed.get(transport, now) for transport in waiting}
        late = [transport for transport, since in self._unnamed.items() if now - since >= UNNAMED]
        await asyncio.gather(*(self.close(transport) for transport in late))
