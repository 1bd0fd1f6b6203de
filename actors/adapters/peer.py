"""Who is at the other end of a connection within this machine.

A port above 1023 is anybody's who comes first: another user of the machine who listens there while our server is away
would be told the password. The kernel says whose socket the other end is (`/proc/net/tcp` and `tcp6`, the column
`uid`). An end that must be on this machine and is in neither counts as a stranger's: of it we know nothing.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import psutil

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
MAPPED = "0000000000000000FFFF0000" if struct.pack("=H", 1) == b"\1\0" else "00000000000000000000FFFF"
CREDENTIALS = struct.Struct("=iII")  # `struct ucred`: process, user, group
ROOT = 0
NOBODY_YET = "0"  # the number of no file: no process has taken the connection, or all have let go of it
LOOKS = 3  # a table that changes while it is read may lack a line
PAUSE = 0.01

Row = Sequence[str]


def is_strange(ours: Any, theirs: Any, owner: int) -> bool:
    """Whether the other end of a connection (`ours` and `theirs`: its addresses) is another user's: neither `owner`'s
    nor our own nor root's. Ask when it has said something: until it has taken the connection, that is nobody's."""
    if isinstance(ours, str | bytes):
        return False  # a socket file has rights of its own
    if not (ours and theirs):
        return True  # the connection is gone
    rows = _rows(ours, theirs)
    return any(_is_foreign(row, owner) for row in rows) if rows else _is_here(ours, theirs)


def owner_of_server(connection: socket.socket) -> int:
    """Of a socket file: the user whose process listens there, as the kernel has noted it."""
    _, user, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return int(user)


def keep_from_strangers(connection: socket.socket, owner: int, patience: float) -> None:
    """Raise PermissionError where the other end of a new connection is another user's. For a server that does not
    speak first: waits until somebody has taken the connection."""
    ours, theirs = connection.getsockname(), connection.getpeername()
    give_up = time.monotonic() + patience
    while any(row[9] == NOBODY_YET for row in _rows(ours, theirs)):
        if time.monotonic() > give_up:
            raise PermissionError(0, "nobody takes the connection")
        time.sleep(PAUSE)
    if is_strange(ours, theirs, owner):
        raise PermissionError(0, "the port is another user's of this machine: nothing is said to them")


def _rows(ours: Any, theirs: Any) -> Sequence[Row]:
    """What the kernel says of the other end."""
    wanted = [_hex(theirs), _hex(ours)]
    for _ in range(LOOKS):
        if found := [row for row in _table() if row[1:3] == wanted]:
            return found
    return []


def _table() -> Iterator[list[str]]:
    """All ends on this machine, with IPv4 addresses as IPv6 has them."""
    for table in TABLES:
        if table is TABLES[0] or table.exists():  # a kernel may have no IPv6
            for line in table.read_text().splitlines()[1:]:
                row = line.split()
                row[1:3] = [address if len(address) > 32 else MAPPED + address for address in row[1:3]]
                yield row


def _is_here(ours: Any, theirs: Any) -> bool:
    """Whether the other end must be on this machine."""
    there = _plain(theirs)
    own = (_plain((each.address,)) for each in _addresses())
    return there.is_loopback or there == _plain(ours) or there in own


def _addresses() -> Iterator[Any]:
    for addresses in psutil.net_if_addrs().values():
        yield from (each for each in addresses if each.family in (socket.AF_INET, socket.AF_INET6))


def _is_foreign(row: Row, owner: int) -> bool:
    return int(row[7]) not in (owner, os.geteuid(), ROOT)


def _plain(address: Sequence[Any]) -> Any:
    """Without the interface, and as IPv4 where it is."""
    found = ip_address(str(address[0]).partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _hex(address: Sequence[Any]) -> str:
    """As the kernel writes it, in the form of IPv6."""
    plain = _plain(address)
    packed = "".join(f"{word:08X}" for word in struct.unpack(f"={len(plain.packed) // 4}I", plain.packed))
    return f"{packed if plain.version == 6 else MAPPED + packed}:{address[1]:04X}"
