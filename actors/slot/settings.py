"""The settings of the way to the phones."""

from msgspec import Struct

from actors.runtime.settings import Port


class Adb(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our own adb server: never the one on 5037, which any tool may kill."""

    host: str = "127.0.0.1"
    port: Port = 15037
