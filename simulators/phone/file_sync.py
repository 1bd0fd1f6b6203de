"""ADB's file transfer (`sync:`), the device side: stat, send and receive the files of a virtual phone."""

import struct

from simulators.phone import storage
from simulators.phone.adb_device import Stream
from simulators.phone.android import Android

_SYNC = struct.Struct("<4sI")
_STAT = struct.Struct("<4sIII")
_STAT2 = struct.Struct("<4sIQQIIIIQqqq")
_CHUNK = 64 * 1024


async def serve(android: Android, stream: Stream) -> None:
    """Serve the files of a phone until the host has enough."""
    while True:
        command, length = _SYNC.unpack(await stream.read_exactly(_SYNC.size))
        if command == b"QUIT":
            return
        path = (await stream.read_exactly(length)).decode(errors="replace")
        match command:
            case b"STAT":
                await stream.write(_STAT.pack(b"STAT", *_mode_and_size(android, path), 0))
            case b"STA2" | b"LST2":
                mode, size = _mode_and_size(android, path)
                error = 0 if mode else 2
                await stream.write(_STAT2.pack(command, error, 0, 0, mode, 1, 0, 0, size, 0, 0, 0))
            case b"LIST":
                await stream.write(struct.pack("<4sIIII", b"DONE", 0, 0, 0, 0))
            case b"LIS2":
                await stream.write(struct.pack("<4s", b"DONE") + bytes(72))
            case b"RECV":
                await _send_file(android, stream, path)
            case b"SEND":
                await _receive_file(android, stream, path.rpartition(",")[0])
            case _:
                await stream.write(_SYNC.pack(b"FAIL", 15) + b"unknown request")
                return


def _mode_and_size(android: Android, path: str) -> tuple[int, int]:
    return storage.mode_and_size(android.files, android.links, path)


async def _send_file(android: Android, stream: Stream, path: str) -> None:
    content = android.files.get(storage.real(android.links, path) or "")
    if content is None:
        await stream.write(_SYNC.pack(b"FAIL", 25) + b"No such file or directory")
        return
    for start in range(0, len(content), _CHUNK):
        chunk = content[start : start + _CHUNK]
        await stream.write(_SYNC.pack(b"DATA", len(chunk)) + chunk)
    await stream.write(_SYNC.pack(b"DONE", 0))


async def _receive_file(android: Android, stream: Stream, path: str) -> None:
    content = bytearray()
    while True:
        command, length = _SYNC.unpack(await stream.read_exactly(_SYNC.size))
        if command == b"DONE":
            break
        content += await stream.read_exactly(length)
    if android.write_file(path, bytes(content)):
        await stream.write(_SYNC.pack(b"OKAY", 0))
    else:
        await stream.write(_SYNC.pack(b"FAIL", 23) + b"No space left on device")
