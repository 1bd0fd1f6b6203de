"""The settings of the way to the phones."""

from msgspec import Struct

from actors.runtime.settings import Port


class Adb(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The adb server. Empty `host`: our own, on a socket file in the state folder that nobody else can open; never the
    one on 5037, which any tool may kill. Else one of yours over TCP, whose phones are open to all who reach it."""

    host: str = ""
    port: Port = 5037
