"""A wire between a client and a server that can be cut, and that can lose what comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


class Wire:
    """Passes bytes on until it is told otherwise. `port`: where the client connects."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._after: tuple[tuple[bytes, ...], float] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False
        self._deaf = False
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        try:
            back, out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._open |= {writer, out}
        await asyncio.gather(self._pass(reader, out, upwards=True), self._pass(back, writer, upwards=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if upwards:
                    self._look(data)
                elif self._deaf:
                    continue
                writer.write(data)
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    def _look(self, data: bytes) -> None:
        if self._after is not None and any(what in data for what in self._after[0]):
            seconds, self._after = self._after[1], None
            self._deaf = True
            self._spawn(self._cut_soon(seconds))

    async def _cut_soon(self, seconds: float) -> None:
        await asyncio.sleep(0.2)  # the server has it, and has answered it into the void
        await self.cut(seconds)

    def cut_after(self, *what: bytes, seconds: float) -> None:
        """Let the next bytes that hold one of these pass, lose everything that comes back, and then cut."""
        self._after = (what, seconds)

    async def cut(self, seconds: float) -> None:
        """Close every connection and take no new one for a while."""
        self._cut, self._deaf = True, False
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()
        await asyncio.sleep(seconds)
        self._cut = False

    def cut_for(self, seconds: float) -> None:
        self._spawn(self.cut(seconds))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def wire(target: int) -> AsyncIterator[Wire]:
    """A wire to a port of this machine, for as long as the block lasts."""
    made = Wire(target)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in list(made._open):
            writer.transport.abort()
