"""Who is at the other end of a connection within this machine.

A port above 1023 is anybody's who comes first: another user of the machine who listens there while our server is away
would be told the password. The kernel says whose socket the other end is (`/proc/net/tcp`, the column `uid`).
"""

import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TABLE = Path("/proc/net/tcp")
ROOT = 0
LISTENS = "0A"


def is_strange(ours: Any, theirs: Any, owner: int) -> bool:
    """Whether the other end of a connection (`ours` and `theirs`: its addresses) is another user's: neither `owner`'s
    nor our own nor root's. Ask when it has said something: until it has taken the connection, that is nobody's. An end
    that is not in the table is not on this machine."""
    if not (_is_ipv4(ours) and _is_ipv4(theirs)):
        return False
    wanted = (_hex(theirs), _hex(ours))
    rows = (line.split() for line in TABLE.read_text().splitlines()[1:])
    return any(_is_foreign(row, owner) for row in rows if (row[1], row[2]) == wanted)


def is_taken(host: str, port: int, owner: int) -> bool:
    """Whether another user listens where a server of `owner`'s should, on this machine."""
    try:
        wanted = {_hex((socket.gethostbyname(host), port)), _hex(("0.0.0.0", port))}
        rows = [line.split() for line in TABLE.read_text().splitlines()[1:]]
    except OSError:
        return False
    return any(_is_foreign(row, owner) for row in rows if row[3] == LISTENS and row[1] in wanted)


def _is_foreign(row: Sequence[str], owner: int) -> bool:
    return int(row[7]) not in (owner, os.geteuid(), ROOT)


def _is_ipv4(address: Any) -> bool:
    return isinstance(address, tuple) and len(address) == 2


def _hex(address: tuple[str, int]) -> str:
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"
