"""The server of uiautomator2 on a virtual phone: JSON-RPC over HTTP, as far as screens are read with it. Pure.

It is installed where `JAR` is among the phone's files, runs from its command until that is ended, and is the only one
that reads the screen meanwhile. Its dump has every window, the one with the focus first.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulators.phone.screens.node import to_xml
from simulators.phone.screens.screens import Screens, in_focus

PORT = 9008
JAR = "/data/local/tmp/u2.jar"
MAIN = "com.wetest.uia2.Main"

class UiServer:
    """`fault`: it answers with this instead, whatever it is asked; `asked`: the methods that were called."""

    def __init__(self, screens: Screens) -> None:
        self._screens = screens
        self.fault: bytes | None = None
        self.asked: list[str] = []

    def answer(self, request: bytes) -> tuple[bytes, float]:
        """What is sent back for a whole request, and the seconds that it takes."""
        head, _, body = request.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode(errors="replace").split(" ", 2)
        if self.fault is not None:
            return self.fault, 0.0
        if (method, path) == ("GET", "/ping"):
            return _said(b"pong", "text/html"), 0.0
        if (method, path) != ("POST", "/jsonrpc/0"):
            return b"HTTP/1.1 404 Not Found \r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0.0
        called = json.loads(body)
        self.asked.append(called["method"])
        call = CALLS.get(called["method"])
        seconds = self._screens.moves_for if called["method"] == "waitForIdle" else 0.0
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": called["id"]}
        if call is None:
            reply["error"] = {"code": -32601, "message": "method not found", "data": None}
        else:
            reply["result"] = call(self, called["params"])
        return _said(json.dumps(reply).encode(), "application/json-rpc"), seconds

    def _dump(self, params: list[Any]) -> str:
        screens, compressed = self._screens, bool(params[0])
        windows = screens.windows()
        front = in_focus(windows)
        others = [window for window in windows if window is not front]
        inside = "".join(
            _inside(to_xml(window.root, window.package, screens.rotation, compressed=compressed))
            for window in (front, *reversed(others))
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<hierarchy rotation="{screens.rotation}">{inside}</hierarchy>'

    def _paste_from(self, params: list[Any]) -> None:
        self._screens.clipboard = str(params[1])


def _inside(xml: str) -> str:
    return xml.partition("<hierarchy")[2].partition(">")[2].rpartition("</hierarchy>")[0]


def _said(body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK \r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def complete(request: bytes) -> bool:
    """Whether a request is there as a whole."""
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and len(body) >= (int(lengths[0]) if lengths else 0)


CALLS: Mapping[str, Callable[[UiServer, list[Any]], object]] = {
    "waitForIdle": lambda server, params: None,
    "dumpWindowHierarchy": UiServer._dump,
    "setClipboard": UiServer._paste_from,
    "deviceInfo": lambda server, params: {"displayWidth": server._screens.screen.width,
                                          "displayHeight": server._screens.screen.height},
}  # fmt: skip
