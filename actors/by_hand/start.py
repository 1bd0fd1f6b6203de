"""How work by hand starts on a host."""

from contextlib import AsyncExitStack

from actors.by_hand.files import Files
from actors.by_hand.logcat import Logcat
from actors.by_hand.places import Places
from actors.by_hand.port import MakeTools
from actors.by_hand.settings import ByHand
from actors.by_hand.streams import Streams
from actors.runtime.parts import HostParts
from bus_schemas.slot_files import (
    END_STREAM,
    FOLLOW_LOGCAT,
    INSTALL_APP,
    NEXT_PIECE,
    OPEN_PUSH,
    PULL_FILE,
    PUSH_FILE,
    PUT_PIECE,
    UNINSTALL_APP,
)


async def start(parts: HostParts, stack: AsyncExitStack, *, settings: ByHand, make_tools: MakeTools) -> None:
    """What is asked of the slots of this host beside their inbox: it takes seconds, for which no call waits."""
    host = parts.host
    places, streams = Places(host, make_tools), Streams(parts.ids)
    stack.push_async_callback(streams.stop)
    files = Files(places, streams, settings)
    logcat = Logcat(places, streams, spawn=host.spawn, now=parts.clock.monotonic)
    host.serve_beside(NEXT_PIECE, streams.next_piece)
    host.serve_beside(PUT_PIECE, streams.put_piece)
    host.serve_beside(END_STREAM, streams.end_stream)
    host.serve_beside(PULL_FILE, files.pull)
    host.serve_beside(OPEN_PUSH, files.open_push)
    host.serve_beside(PUSH_FILE, files.push)
    host.serve_beside(INSTALL_APP, files.install)
    host.serve_beside(UNINSTALL_APP, files.uninstall)
    host.serve_beside(FOLLOW_LOGCAT, logcat.follow)
