"""Other systems' logins to the bus: answers nats-server's questions, and ends connections whose rights have changed.

A connection keeps the rights with which it was let in, so when those change it is cut (KICK); the client comes back by
itself at once and gets what it may do now, or is refused.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from msgspec import Struct

from actors.point import callout
from actors.point.callout import BadQuestion, Question
from actors.runtime.bus import Bus, BusError, Message, Unsubscribe
from actors.runtime.clock import Clock, parse_utc
from bus_schemas.errors import Refusal
from bus_schemas.user import Identity, LoginKind

log = structlog.get_logger()

QUESTIONS = "$SYS.REQ.USER.AUTH"
CONNECTIONS = "$SYS.REQ.SERVER.PING.CONNZ"
AT_ONCE = 64
ADMIT_SECONDS = 2.8  # the server waits for 3
SYS_SECONDS = 2.0
KICK_TRIES = 3
SWEEP = 1800.0  # seconds between looks for connections whose rights run out by age
OLD = 20 * 3600.0

Admit = Callable[[str, str, str], Awaitable[Identity]]


class _Connection(Struct):
    cid: int
    start: str = ""
    authorized_user: str = ""


class _Server(Struct):
    id: str


class _Connections(Struct):
    connections: list[_Connection] = []


class _Answer(Struct):
    server: _Server
    data: _Connections


class BusLogin:
    """`auth` is a connection in the account that nats.conf names for the callout, `sys` one in the system account.
    `admit(name, secret, address)` says who it is, or raises Refusal."""

    def __init__(self, *, auth: Bus, sys: Bus, admit: Admit, seed: str, clock: Clock) -> None:
        self._auth = auth
        self._sys = sys
        self._admit = admit
        self._seed = seed
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop: Unsubscribe | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stop = await self._auth.subscribe(QUESTIONS, self._hear, queue="auth")
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        if self._stop is not None:
            await self._stop()
        for task in (*self._tasks, self._sweeping):
            if task is not None:
                task.cancel()

    async def void(self, *, user: str | None, session: str | None, token: str | None) -> None:
        """Cut the connections of a session, of a service token, or all of a user."""

        def concerned(one: _Connection) -> bool:
            name, _, rest = one.authorized_user.partition("/")
            kind, _, id = rest.partition("/")
            return (user is not None and name == user and rest != "") or (
                (kind, id) in ((LoginKind.SESSION, session), (LoginKind.TOKEN, token)) and id != ""
            )

        await self._kick(concerned)

    # --- logins

    async def _hear(self, message: Message) -> None:
        if len(self._tasks) >= AT_ONCE:  # no answer is a refusal too, after the server's own wait
            log.warning("too many bus logins at once")
            return
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        try:
            question = callout.read(message.data)
        except BadQuestion as error:
            log.warning("not a login question", error=str(error))
            return
        now = int(self._clock.now().timestamp())
        try:
            async with asyncio.timeout(ADMIT_SECONDS):
                identity = await self._admit(question.name, question.secret, question.address)
        except (Refusal, TimeoutError) as refusal:
            self._say(question, str(refusal) or "too slow")
            answer = callout.refused(question, self._seed, now)
        else:
            answer = callout.admitted(question, identity, self._seed, now)
            log.info("bus login", user=identity.user, kind=identity.kind.value, address=question.address)
        if message.reply is not None:
            await message.reply(answer, {})

    def _say(self, question: Question, why: str) -> None:
        log.info("bus login refused", name=question.name[:64], address=question.address, why=why)

    # --- the end of connections

    async def _kick(self, concerned: Callable[[_Connection], bool]) -> None:
        for _ in range(KICK_TRIES):
            try:
                server, connections = await self._connections()
                for one in connections:
                    if concerned(one):
                        wanted = msgspec.json.encode({"cid": one.cid})
                        await self._sys.request(f"$SYS.REQ.SERVER.{server}.KICK", wanted, {}, timeout=SYS_SECONDS)
            except BusError as error:
                log.warning("connections not cut yet", error=repr(error))
                continue
            return

    async def _connections(self) -> tuple[str, list[_Connection]]:
        wanted = msgspec.json.encode({"auth": True, "limit": 65536})
        answered = await self._sys.request(CONNECTIONS, wanted, {}, timeout=SYS_SECONDS)
        answer = msgspec.json.decode(answered.data, type=_Answer)
        return answer.server.id, answer.data.connections

    async def _sweep(self) -> None:
        """Cut what came in long ago, so that it comes back before its rights run out and the client gives up."""

        def old(one: _Connection) -> bool:
            kind = one.authorized_user.partition("/")[2].partition("/")[0]
            if kind not in (LoginKind.PASSWORD, LoginKind.TOKEN):
                return False
            started = parse_utc(one.start.split(".")[0].rstrip("Z") + "Z")
            return (self._clock.now() - started).total_seconds() > OLD

        while True:
            await asyncio.sleep(SWEEP)
            with contextlib.suppress(ValueError):
                await self._kick(old)
