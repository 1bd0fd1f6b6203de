"""A virtual PBX that speaks AMI as Asterisk 22 does, with the carrier's rules at the far end of its trunks.

Held to the real one by the same contract tests (`tests/adapters/pbx_contract.py`). What it takes over from there is
what surprises: line ends may be bare LF, an `Originate` is acknowledged before anything is tried, the events of a
call's end come in no fixed order, a missing endpoint shows in `OriginateResponse` alone, and a wrong secret costs a
second.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from simulators.pbx.actions import ACTIONS, CLIENT_URI
from simulators.pbx.calls import Calls
from simulators.pbx.channel import Event, Trunk
from simulators.pbx.session import Session

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
AUTH_PAUSE = 1.0
DENIED = frozenset({"command", "getconfig", "updateconfig", "pjsipshowcontacts"})  # they need more than our user may do


class VirtualPbx:
    """The PBX. `secret`: of the one user. `recordings`: where files go, None for nowhere."""

    def __init__(
        self,
        *,
        user: str,
        secret: str,
        trunks: Mapping[str, Trunk],
        context: str = "ottb-slots",
        waiting: str = "ottb-waiting",
        operators: str = "ottb-operators",
        scale: float = 1.0,
        recordings: Path | None = None,
    ) -> None:
        self._user, self._secret = user, secret
        self.calls = Calls(
            trunks=trunks, context=context, waiting=waiting, operators=operators, scale=scale, recordings=recordings,
            say=self._say,
        )  # fmt: skip
        self.frozen = False
        self.received: Counter[str] = Counter()  # actions, by name
        self._sessions: set[Session] = set()
        self._server: asyncio.Server | None = None
        self._began = time.monotonic()
        self.port = 0

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=64 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.cut()
        self.calls.stop()
        if self._server is not None:
            self._server.close()

    # --- faults

    def cut(self) -> None:
        """Every AMI connection breaks. The calls go on."""
        for session in list(self._sessions):
            session.writer.transport.abort()

    def restart(self) -> None:
        """As if the process had been killed: the calls are gone, and nobody says so. What was ordered of the next ones,
        too."""
        self.cut()
        self.calls.lose()
        self.calls.refusals = []
        self._began = time.monotonic()

    def contact(self, endpoint: str, status: str, number: int = 1) -> None:
        """The provider's address so and so begins or ceases to answer, is `Removed`, or comes as a further one."""
        trunk = self.calls.trunks[endpoint]
        trunk.contacts[number - 1 : number] = [] if status == "Removed" else [status]
        rtt = trunk.rtt(status) if status == "Reachable" else "0"
        self._say({
            "Event": "ContactStatus", "Privilege": "system,all", "URI": f"sip:{number}.{endpoint}",
            "ContactStatus": status, "AOR": endpoint, "EndpointName": endpoint, "RoundtripUsec": rtt,
        })  # fmt: skip

    def registration(self, endpoint: str, status: str) -> None:
        """Our registration with a provider is Registered, Rejected ..."""
        self.calls.trunks[endpoint].registration = status
        self._say({"Event": "Registry", "Privilege": "system,all", "ChannelType": "PJSIP",
                   "Username": CLIENT_URI, "Domain": f"sip:{endpoint}.provider", "Status": status})  # fmt: skip

    # --- sessions

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        self._sessions.add(session)
        writer.write(BANNER)
        try:
            while (action := await session.read()) is not None:
                if not self.frozen:
                    await self._act(session, action)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self._sessions.discard(session)
            writer.close()

    async def _act(self, session: Session, fields: list[tuple[str, str]]) -> None:
        values = dict(reversed(fields))
        id = {"ActionID": values["actionid"]} if "actionid" in values else {}
        name = values.get("action", "").lower()
        self.received[name] += 1
        if name == "login":
            await self._login(session, values, id)
        elif not session.logged_in:
            session.send({"Response": "Error", **id, "Message": "Permission denied"})
        elif name == "logoff":
            session.send({"Response": "Goodbye", **id, "Message": "Thanks for all the fish."})
            raise EOFError
        elif name in DENIED:
            session.send({"Response": "Error", **id, "Message": "Permission denied"})
        elif (act := ACTIONS.get(name)) is None:
            unknown = f"Invalid/unknown command: {values['action']}. Use Action: ListCommands"
            session.send({"Response": "Error", **id, "Message": unknown})
        else:
            act(self.calls, session, values, id)

    async def _login(self, session: Session, values: Mapping[str, str], id: Event) -> None:
        if (values.get("username"), values.get("secret")) != (self._user, self._secret):
            await asyncio.sleep(AUTH_PAUSE)
            session.send({"Response": "Error", **id, "Message": "Authentication failed"})
            await session.writer.drain()
            raise EOFError
        session.logged_in = True
        session.send({"Response": "Success", **id, "Message": "Authentication accepted"})
        self._say_booted(session)

    def _say_booted(self, session: Session) -> None:
        uptime = str(int(time.monotonic() - self._began))
        booted = {"Event": "FullyBooted", "Privilege": "system,all", "Status": "Fully Booted"}
        session.send(booted | {"Uptime": uptime, "LastReload": uptime})

    def _say(self, event: Event) -> None:
        for session in list(self._sessions):
            if session.logged_in and not self.frozen:
                session.send(event)
