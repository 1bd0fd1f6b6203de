"""What all settings share, and those of the bus and the log."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from bus_schemas.fields import shaped

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]

BUS_PATIENCE = 600.0  # seconds that a start waits for the bus: a server that was killed reads its store first, 4 GB/min


class SettingsError(Exception):
    """A setting is wrong. The message names it and says what was expected."""


class Nats(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` set: an existing server is used, with `user` and `password`. Else one is started on `host` and `port`.

    TLS, all PEM files. Of the server that we start: `certificate` and `key`; `client_ca`: who connects (not with
    WebSocket) must show a certificate of this authority. Of every process that connects: `ca`, whom it trusts (empty:
    the system's authorities), `server_name`, what the server's certificate must be for (empty: the address), and
    `client_certificate` with `client_key`, which it shows.

    `owner`: the user (a number) whose server it must be where it is on this machine: nobody else is told the password.
    `ottb up` sets it for what it starts.
    """

    url: str | None = None
    host: str = "127.0.0.1"
    port: Port = 14222
    websocket_port: Port = 14280
    user: str | None = None
    password: str | None = None
    owner: int | None = None
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    ca: str = ""
    server_name: str = ""
    client_certificate: str = ""
    client_key: str = ""

    @property
    def address(self) -> str:
        """Where processes of ours find the server."""
        return self.url or f"{'tls' if self.certificate else 'nats'}://127.0.0.1:{self.port}"

    @property
    def ports(self) -> dict[str, int]:
        """Where other systems reach the server, as far as it is on this machine, by what they speak."""
        given = urlsplit(self.url).port if self.url else None
        return {"nats": given or self.port, "websocket": self.websocket_port}


JOURNAL_LIMIT = 4 * 2**30


class Journal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`limit`: bytes that the journal may hold; then it refuses what is new. `step_over`: the sequences of entries that
    cannot be read and that a person has decided to do without: actors begin as if they were not there, and nothing more
    is said of them."""

    limit: Annotated[int, Meta(ge=2**20)] = JOURNAL_LIMIT
    step_over: tuple[int, ...] = ()


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: str = "info"


class Traces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`endpoint`: of a collector that speaks OTLP over HTTP, as `http://127.0.0.1:4318`; empty: no spans are made.
    `share`: of the traces that begin here, those that are collected; of one that a client has begun, it says so."""

    endpoint: Annotated[str, shaped(r"^(?:https?://\S{1,500})?$(?!\n)", "an address, as `http://127.0.0.1:4318`")] = ""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
