"""What all settings share, and those of the bus and the log."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(Exception):
    """A setting is wrong. The message names it and says what was expected."""


class Nats(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` set: an existing server is used, with `user` and `password`. Else one is started on `host` and `port`."""

    url: str | None = None
    host: str = "127.0.0.1"
    port: Port = 14222
    websocket_port: Port = 14280
    user: str | None = None
    password: str | None = None

    @property
    def ports(self) -> dict[str, int]:
        """Where other systems reach the server, as far as it is on this machine, by what they speak."""
        given = urlsplit(self.url).port if self.url else None
        return {"nats": given or self.port, "websocket": self.websocket_port}


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: str = "info"
