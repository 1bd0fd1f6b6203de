"""What the kernel has received for a server on this machine, by client: `ss -ti` without the program.

Source: Linux uapi inet_diag.h (inet_diag_req_v2, inet_diag_msg), netlink.h, tcp.h (tcp_info.tcpi_bytes_received). Any
user may ask. Elsewhere than on Linux, and of servers of other machines or network namespaces, nothing is known.
"""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Iterator, Mapping

import structlog

log = structlog.get_logger()

SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
REQUEST_DUMP = 0x301
ERROR, DONE = 2, 3
ESTABLISHED, INFO = 1, 2
SECONDS = 0.5
HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
SOCKET_ID = struct.Struct("!HH16s16s")  # own port, other port, own address, other address
MESSAGE = 72  # bytes of inet_diag_msg
UNREAD = struct.Struct("=56xI")  # the place in it of what the server has not taken yet
BYTES_RECEIVED = struct.Struct("=128xQ")  # its place in tcp_info

Client = tuple[str, str, int]  # what it speaks, address and port: one port may have a connection to each of ours


class ReceivedBytes:
    """Counts of a server that listens on these ports, by what is spoken there."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._works = hasattr(socket, "AF_NETLINK")

    async def read(self) -> dict[Client, int]:
        """Bytes by client; nothing where the kernel does not say."""
        if not self._works:
            return {}
        try:
            return await asyncio.to_thread(self._read)
        except (OSError, struct.error) as error:
            log.warning("what the bus receives is counted by nats-server alone", error=repr(error))
            self._works = False
            return {}

    def _read(self) -> dict[Client, int]:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as asking:
            asking.settimeout(SECONDS)
            return {
                (speaks, *other): count
                for speaks, port in self._ports.items()
                for family in (socket.AF_INET, socket.AF_INET6)
                for other, count in _dump(asking, family, port)
            }


def _dump(asking: socket.socket, family: int, port: int) -> Iterator[tuple[tuple[str, int], int]]:
    wanted = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 1 << (INFO - 1), 0, 1 << ESTABLISHED)
    wanted += SOCKET_ID.pack(port, 0, b"", b"") + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    asking.send(HEADER.pack(HEADER.size + len(wanted), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + wanted)
    while True:
        data, at = asking.recv(1 << 16), 0
        while at < len(data):
            length, kind, *_ = HEADER.unpack_from(data, at)
            if kind == DONE:
                return
            if kind == ERROR:
                raise OSError(-struct.unpack_from("=i", data, at + HEADER.size)[0], "the kernel does not list sockets")
            yield from counted(data[at + HEADER.size : at + length])
            at += (length + 3) & ~3


def counted(message: bytes) -> Iterator[tuple[tuple[str, int], int]]:
    """Who is at the other end of one socket, and what the server has taken from it, where that is said."""
    (unread,) = UNREAD.unpack_from(message)
    _, port, _, address = SOCKET_ID.unpack_from(message, 4)
    at = MESSAGE
    while at + ATTRIBUTE.size <= len(message):
        length, kind = ATTRIBUTE.unpack_from(message, at)
        if kind == INFO and length >= ATTRIBUTE.size + BYTES_RECEIVED.size:
            received = BYTES_RECEIVED.unpack_from(message, at + ATTRIBUTE.size)[0]
            yield (_text(message[0], address), port), max(received - unread, 0)
        at += max((length + 3) & ~3, ATTRIBUTE.size)


def _text(family: int, address: bytes) -> str:
    if family == socket.AF_INET:
        return str(ipaddress.IPv4Address(address[:4]))
    known = ipaddress.IPv6Address(address)
    return str(known.ipv4_mapped or known)
