"""TLS from files that may be replaced while everything runs.

Files are read again when that is told (SIGHUP): connections that are up stay as they are, the next ones see the new
certificate. What is in the files is tried in a handshake in memory first, so that a certificate that does not fit its
key, is cut short, or has expired changes nothing. Each reading makes a context of its own: OpenSSL keeps a certificate
of each sort of key, and would go on showing the one from before to whoever prefers its sort.
"""

import asyncio
import os
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from actors.runtime.settings import Nats, SettingsError

log = structlog.get_logger()

END = "-----END CERTIFICATE-----"
TURNS = 8  # of a handshake in memory; it takes three
# The one that all who speak TLS 1.3 have (RFC 8446, 9.1). OpenSSL takes groups of up to 8,192 bits, too: 0.13 s of the
# loop for whoever names one, and a number for a key that costs them nothing ("D(HE)at", CVE-2002-20001).
CURVE = "prime256v1"


class BadCertificate(SettingsError):
    """A certificate, its key or an authority that cannot be used. The message says which, and why."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate (with the chain up to its authority) and its key, as PEM files."""

    certificate: str
    key: str

    def put_into(self, context: ssl.SSLContext) -> datetime:
        """Use what is in the files now; whole, or not at all. Gives when it expires. Raises BadCertificate."""
        try:
            pem = Path(self.certificate).read_bytes() + b"\n" + Path(self.key).read_bytes()
        except OSError as error:
            raise BadCertificate(f"{error.filename} cannot be read: {error.strerror}") from None
        try:
            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            _load(trial, pem)
            expires = _expires(trial, self.certificate)
        except (ssl.SSLError, ValueError) as error:
            raise BadCertificate(f"{self.certificate} with {self.key}: {_reason(error)}") from None
        _load(context, pem)
        return expires

    def expires(self) -> datetime:
        """When it does. Raises BadCertificate."""
        return self.put_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def server(pair: KeyPair) -> ssl.SSLContext:
    """What a server of ours shows. Raises BadCertificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION  # each costs us more than the one who asks
    context.set_ecdh_curve(CURVE)
    pair.put_into(context)
    return context


def to_anybody() -> ssl.SSLContext:
    """For a client of servers that anybody may name, which are to cost us no more than a handshake does."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    context.set_ecdh_curve(CURVE)
    names = (one["name"] for one in context.get_ciphers())
    context.set_ciphers(":".join(name for name in names if name.startswith("ECDHE-")))
    return context


class ServerTls:
    """How a server of ours speaks to who connects now. Raises BadCertificate."""

    def __init__(self, pair: KeyPair) -> None:
        self._pair = pair
        self.context = server(pair)

    def reload(self) -> None:
        """Show what is in the files now, from the next connection on. Raises BadCertificate."""
        self.context = server(self._pair)


def trusting(certificate: str) -> ssl.SSLContext:
    """For a client on this machine: that the server has the very certificate of this file, whatever name is in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        first, end, _ = Path(certificate).read_text().partition(END)  # those after it have made many others
        context.load_verify_locations(cadata=first + end)
    except (OSError, UnicodeDecodeError) as error:  # SSLError is an OSError
        raise BadCertificate(f"{certificate}: {_reason(error)}") from None
    return context


@dataclass
class ClientTls:
    """How a process of ours speaks to the bus. `name`: what the server's certificate is for; empty: the address.
    `renewed`: the same with what is in its files now, where it shows a certificate. Raises BadCertificate."""

    context: ssl.SSLContext
    name: str = ""
    renewed: Callable[[], ssl.SSLContext] | None = None

    def reload(self) -> None:
        """Show what is in the files now, from the next connection on. Raises BadCertificate."""
        if self.renewed is not None:
            self.context = self.renewed()


def client(nats: Nats) -> ClientTls:
    """As the settings say. Raises BadCertificate."""
    try:
        authorities = Path(nats.ca).read_text() if nats.ca else ""
        context = _trusting_authorities(authorities)
    except (OSError, UnicodeDecodeError) as error:  # SSLError is an OSError
        raise BadCertificate(f"{nats.ca}: {_reason(error)}") from None
    if not nats.client_certificate:
        return ClientTls(context, nats.server_name)
    shown = KeyPair(nats.client_certificate, nats.client_key)

    def renewed() -> ssl.SSLContext:
        made = _trusting_authorities(authorities)
        shown.put_into(made)
        return made

    return ClientTls(renewed(), nats.server_name, renewed)


def on_hangup(*reloads: Callable[[], object]) -> None:
    """Read the files again at SIGHUP. What is bad is logged, and the one from before stays in use."""

    def reload() -> None:
        for each in reloads:
            try:
                each()
            except BadCertificate as error:
                log.error("the certificate from before is kept", error=str(error))
            else:
                log.info("certificates were read again")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def _trusting_authorities(pem: str) -> ssl.SSLContext:
    """Those, and no others; the system's, where there are none. Raises SSLError."""
    if not pem:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """From bytes that have been read once: a file could be another one the next time."""
    handle = os.memfd_create("pem")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(pem)
        context.load_cert_chain(f"/proc/self/fd/{handle}", password=_no_password)
    finally:
        os.close(handle)


def _no_password() -> str:
    raise ValueError("the key is encrypted; nobody is there to give the password")


def _expires(context: ssl.SSLContext, certificate: str) -> datetime:
    """The end of a certificate that works: a client that trusts it alone shakes hands with it. Raises SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = trusting(certificate).wrap_bio(back, there)
    answering = context.wrap_bio(there, back, server_side=True)
    for _ in range(TURNS):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found: dict[str, Any] = asking.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "no certificate or key in PEM"
    return getattr(error, "strerror", None) or str(error)
