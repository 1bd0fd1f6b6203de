"""adbutils on our adb server: files to and from a phone, screenshots, apps. Blocking, so for threads.

adbutils connects over TCP alone, and starts a server for every user of the machine where it finds none. Both stand in
one class, which is replaced here; all that it does with a connection works on any socket.
"""

import socket

import adbutils
from adbutils import AdbConnection, AdbTimeout

from actors.adapters.adb_place import AdbPlace

CONNECT_SECONDS = 3.0


class _Connection(AdbConnection):  # type: ignore[misc]  # adbutils has no types
    def __init__(self, place: AdbPlace) -> None:
        self._place = place
        super().__init__("", 0)

    def _safe_connect(self) -> socket.socket:
        try:
            connection = self._place.connect_blocking(CONNECT_SECONDS)
        except TimeoutError:
            raise AdbTimeout(f"the adb server does not answer: {self._place}") from None
        except OSError as error:
            raise adbutils.AdbError(f"the adb server does not answer: {error}") from None
        connection.settimeout(None)
        return connection


class AdbTools(adbutils.AdbClient):  # type: ignore[misc]  # adbutils has no types
    """adbutils' client of the server at a place. `timeout`: seconds that any answer may take."""

    def __init__(self, place: AdbPlace, *, timeout: float = 30.0) -> None:
        super().__init__(host="none", port=1)
        self._place = place
        self._timeout = timeout

    def make_connection(self, timeout: float | None = None) -> AdbConnection:
        connection = _Connection(self._place)
        connection.conn.settimeout(timeout or self._timeout)
        return connection
