"""How work by hand starts on a host."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from actors.by_hand.files import Files
from actors.by_hand.hands import Hands
from actors.by_hand.logcat import Logcat
from actors.by_hand.places import Places
from actors.by_hand.port import MakeTools
from actors.by_hand.recordings import Recordings
from actors.by_hand.screen import AsJpeg, AsPng, Camera, Looks
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
from bus_schemas.slot_screen import (
    PRESS_KEY,
    START_RECORDING,
    STOP_RECORDING,
    SWIPE_SCREEN,
    TAKE_SCREENSHOT,
    TAP_SCREEN,
    TYPE_ON_SCREEN,
    WATCH_SCREEN,
)


@dataclass(frozen=True)
class Tools:
    """What reaches phones for it: how their files are, and how pictures get smaller."""

    make: MakeTools
    as_jpeg: AsJpeg
    as_png: AsPng


async def start(parts: HostParts, stack: AsyncExitStack, *, settings: ByHand, tools: Tools) -> None:
    """What is asked of the slots of this host beside their inbox: it takes seconds, for which no call waits."""
    host = parts.host
    places = Places(host, tools.make)
    streams = Streams(parts.ids, places.phone_in)
    stack.push_async_callback(streams.stop)
    files = Files(places, streams, settings)
    logcat = Logcat(places, streams, spawn=host.spawn, now=parts.clock.monotonic)
    looks = Looks(places, streams, Camera(tools.as_jpeg, tools.as_png, host.spawn))
    recordings = Recordings(places, parts.clock.monotonic)
    hands = Hands(places, recordings)
    host.serve_beside(TAKE_SCREENSHOT, looks.screenshot)
    host.serve_beside(WATCH_SCREEN, looks.watch)
    host.serve_beside(TAP_SCREEN, hands.once(hands.tap))
    host.serve_beside(SWIPE_SCREEN, hands.once(hands.swipe))
    host.serve_beside(TYPE_ON_SCREEN, hands.once(hands.type))
    host.serve_beside(PRESS_KEY, hands.once(hands.key))
    host.serve_beside(START_RECORDING, recordings.start)
    host.serve_beside(STOP_RECORDING, recordings.stop)
    host.serve_beside(NEXT_PIECE, streams.next_piece)
    host.serve_beside(PUT_PIECE, streams.put_piece)
    host.serve_beside(END_STREAM, streams.end_stream)
    host.serve_beside(PULL_FILE, files.pull)
    host.serve_beside(OPEN_PUSH, files.open_push)
    host.serve_beside(PUSH_FILE, files.push)
    host.serve_beside(INSTALL_APP, files.install)
    host.serve_beside(UNINSTALL_APP, files.uninstall)
    host.serve_beside(FOLLOW_LOGCAT, logcat.follow)
