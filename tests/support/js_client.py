"""The JavaScript socket.io-client, driven from a test. What it hears live must be as the document of events says."""

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from gateway.openapi import asyncapi
from gateway.surface import LIVE
from tests.support.site import PATIENCE

SCRIPT = Path(__file__).resolve().parents[1] / "js" / "client.mjs"


class JsClient:
    """One client process. `expect` gives the first thing said that is as wanted; what came before is kept."""

    def __init__(self, url: str, token: str, transports: str = "websocket") -> None:
        self._arguments = ["node", str(SCRIPT), url, token, transports]
        self.heard: list[dict[str, Any]] = []
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "JsClient":
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()  # with what nobody has read: it would not be seen to have ended

    def tell(self, **command: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def ask(self, event: str, *argument: Any) -> Any:
        """Emit an event and wait for its acknowledgement."""
        self.tell(emit=event, **({"argument": argument[0]} if argument else {}))
        return (await self.expect(lambda said: "ack" in said))["ack"]

    async def expect(self, wanted: Any, seconds: float = PATIENCE) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(seconds):
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                self.heard.append(said)
                _must_be_documented(said)
                if wanted(said):
                    return said
        raise AssertionError(f"the client ended; it said {self.heard}")

    def events(self, name: str) -> list[dict[str, Any]]:
        return [said["payload"] for said in self.heard if said.get("name") == name]


def _must_be_documented(said: dict[str, Any]) -> None:
    """That every field of a live event is documented, and as its document says. Other things that are said pass."""
    payload = said.get("payload")
    if (known := _documents().get(said.get("name", ""))) is None:
        return
    document, fields = known
    document.validate(payload)
    assert payload["data"].keys() <= fields, f"not documented: {payload['data'].keys() - fields}"


@cache
def _documents() -> dict[str, tuple[Draft202012Validator, frozenset[str]]]:
    """What a live event is to be, and the fields that it may have, by its name."""
    components = asyncapi()["components"]
    return {
        room.event: (
            Draft202012Validator(
                components["messages"][room.event.replace(".", "_")]["payload"] | {"components": components}
            ),
            frozenset(components["schemas"][room.update.__name__]["properties"]),
        )
        for room in LIVE
    }
