"""The certificates of a site: looked at before the start, read again at SIGHUP."""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from actors.adapters.tls import BadCertificate, KeyPair
from actors.settings import Settings
from cli.site.ports import CannotStart

HTTP, BUS, SHOWN = "http", "nats", "nats client"
READERS = ("gateway", "actors")  # they look for themselves, and keep what they had where it is bad


def certificates(settings: Settings) -> Mapping[str, KeyPair]:
    """By whom they are shown: the gateway, our nats-server, and our processes to the bus."""
    http, nats = settings.http, settings.nats
    given = {HTTP: (http.certificate, http.key), SHOWN: (nats.client_certificate, nats.client_key)}
    if nats.url is None:
        given[BUS] = (nats.certificate, nats.key)
    return {name: KeyPair(*files) for name, files in given.items() if files[0]}


class Reload:
    """Made before the start, which it refuses (CannotStart) with a certificate that cannot be used, or with one asked
    of clients that our own processes do not have. `pid`: the process of a child, by its name."""

    def __init__(self, settings: Settings, *, pid: Callable[[str], int | None], say: Callable[[str], None]) -> None:
        nats = settings.nats
        if nats.client_ca and not (nats.certificate and nats.client_certificate):
            raise CannotStart("nats.client_ca needs nats.certificate and, for our processes, nats.client_certificate")
        self.certificates = certificates(settings)
        for name, pair in self.certificates.items():
            try:
                pair.expires()
            except BadCertificate as error:
                raise CannotStart(f"certificate of {name}: {error}") from None
        self._pid, self._say = pid, say
        self._on_the_bus = self._bus_files()

    def __call__(self) -> None:
        """Have everybody use what is in the files now. One that is bad is said, and nobody uses it."""
        good = {name for name, pair in self.certificates.items() if self._is_good(name, pair)}
        for process in READERS:
            self._signal(process)
        if BUS in good and (files := self._bus_files()) != self._on_the_bus:
            # Not without need: who has logged in with a POINT identity is cut off by it, and comes back.
            self._on_the_bus = files
            self._signal("nats-server")

    def _is_good(self, name: str, pair: KeyPair) -> bool:
        try:
            self._say(f"certificate of {name}: read again, good until {pair.expires():%Y-%m-%d}")
        except BadCertificate as error:
            self._say(f"certificate of {name}: the one from before is kept: {error}")
            return False
        return True

    def _bus_files(self) -> bytes:
        pair = self.certificates.get(BUS)
        return b"".join(Path(file).read_bytes() for file in (pair.certificate, pair.key)) if pair is not None else b""

    def _signal(self, process: str) -> None:
        if (number := self._pid(process)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGHUP)
