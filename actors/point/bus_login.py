"""Other systems' logins to the bus: answers nats-server's questions, and ends connections whose rights have changed or
who do more than they may.

A connection keeps the rights with which it was let in, so when those change it is cut (KICK); the client comes back by
itself at once and gets what it may do now, or is refused. Each one's name says by what it was let in (`marks.py`): so
one is found, too, whose key was dropped or which could not be cut in time. What each one sends and gets the server
counts, and tells when asked; who exceeds a limit (`bus_limits.py`) is cut and stays out for a while.
"""

import asyncio
import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
import structlog
from msgspec import Struct

from actors.point import bus_audit, callout, marks
from actors.point.bus_audience import BusAudienceTeller
from actors.point.bus_audit import BusAudit
from actors.point.bus_limits import NOBODY, Client, Connection, Cut, Meter, Refusals
from actors.point.callout import ACCOUNT, BadQuestion, Question
from actors.point.tokens import SERVICE
from actors.runtime.addresses import neighbourhood
from actors.runtime.bus import Bus, BusError, Message, Unsubscribe
from actors.runtime.clock import Clock, parse_utc
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import Share, share_of
from bus_schemas.user import Identity, LoginKind

log = structlog.get_logger()

QUESTIONS = "$SYS.REQ.USER.AUTH"
CONNECTIONS = "$SYS.REQ.SERVER.PING.CONNZ"
COMES_AND_GOES = "$SYS.ACCOUNT.*.*"  # one subject, so that what is said of a connection is heard in order
BROKEN = frozenset((
    "Protocol Violation", "Bad Client Protocol Version", "Message Header Violation", "No Responders Requires Headers",
    "Maximum Message Payload Exceeded", "Maximum Control Line Exceeded",
))  # reasons for which the server reads no further; what it read together with that it does not count (2.15.1, tried)
CLOSED = frozenset(("Client Closed", "Read Error"))  # the same, where a WebSocket's frame has closed it, or was odd
AT_ONCE = 128
AT_ONCE_EACH = 64  # of one address, so that nobody keeps all others out by trying
ADMIT_SECONDS = 2.8  # the server waits for 3
SYS_SECONDS = 2.0
KICK_TRIES = 3
ADMIT_TRIES = 3
SETTLED = 0.5  # seconds after an answer in which the server lists the connection
SWEEP = 1800.0  # seconds between looks for connections whose rights run out by age
OLD = 20 * 3600.0
LOOK = 0.25  # seconds between two looks at what connections do
RECEIVED_EVERY = 2  # looks: to ask the kernel costs more than to ask the server
OUTDATED_EVERY = 2  # looks, and the next one where some were: so they are gone within a second

Admit = Callable[[str, str, str], Awaitable[Identity]]
Outdated = Callable[[Iterable[str]], set[str]]
IsCurrent = Callable[[float], Awaitable[bool]]
Received = Callable[[], Awaitable[Mapping[Client, int]]]


class _Server(Struct):
    id: str
    cluster: str = ""


class _Connections(Struct):
    connections: list[Connection] = []


class _Answer(Struct):
    server: _Server
    data: _Connections


class _Client(Struct, frozen=True):
    id: int
    acc: str = ""
    user: str = ""
    client_type: str = ""


class _Amount(Struct, frozen=True):
    msgs: int = 0
    bytes: int = 0


class _Event(Struct, frozen=True):
    """A connection's begin or end, as the server says it: `sent` and `received` by the client. At its end `user` is
    what the client has called itself last."""

    server: _Server
    client: _Client
    sent: _Amount = _Amount()
    received: _Amount = _Amount()
    reason: str = ""

    @property
    def uncounted(self) -> float:
        """See Meter.ended. Whose end is said in another account has logged in once more, and wrongly."""
        if self.client.acc != ACCOUNT:
            return math.inf
        return float(self.reason in BROKEN or (self.client.client_type == "websocket" and self.reason in CLOSED))


class _Out(Exception):
    """Somebody was cut a moment ago. They get no answer, and so wait for as long as the server does: a refusal would
    be asked for again at once."""


class _Entering:
    """A login, from its question until the server lists its connection. `void`: what it may do has changed since."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.identity: Identity | None = None
        self.void = False


class BusLogin:
    """`auth` is a connection in the account that nats.conf names for the callout, `sys` one in the system account.
    `admit(name, secret, address)` says who it is, or raises Refusal; `outdated` which connections, by their names,
    would not be let in now, or otherwise; `is_current(seconds)` whether these know all that is on record, or do so
    soon; `known` whether there is a user of a name; `received` what the server's machine has got from whom. `audience`
    tells hosts who is there."""

    def __init__(
        self,
        *,
        auth: Bus,
        sys: Bus,
        admit: Admit,
        outdated: Outdated,
        is_current: IsCurrent,
        known: Callable[[str], bool],
        seed: str,
        clock: Clock,
        audit: BusAudit,
        meter: Meter,
        received: Received,
        audience: BusAudienceTeller,
    ) -> None:
        self._auth = auth
        self._audience = audience
        self._sys = sys
        self._admit = admit
        self._outdated = outdated
        self._is_current = is_current
        self._doubtful: set[tuple[str, int]] = set()  # outdated at the last look, by server and cid
        self._known = known
        self._seed = seed
        self._clock = clock
        self._audit = audit
        self._meter = meter
        self._received = received
        self._refusals = Refusals()
        self._tasks: set[asyncio.Task[None]] = set()
        self._kicking: set[asyncio.Task[None]] = set()
        self._entering: set[_Entering] = set()
        self._asking: Counter[str] = Counter()  # logins at once, by address
        self._dropped = 0
        self._clustered = True  # until it has been asked
        self._stops: list[Unsubscribe] = []
        self._looking: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._audience.start()
        self._stops.append(self._audience.stop)
        self._stops.append(await self._sys.subscribe(COMES_AND_GOES, self._hear_event))
        self._stops.append(await self._auth.subscribe(QUESTIONS, self._hear, queue="auth"))
        loop = asyncio.get_running_loop()
        self._looking = [loop.create_task(self._sweep()), loop.create_task(self._watch())]

    async def stop(self) -> None:
        for stop in self._stops:
            await stop()
        for task in (*self._tasks, *self._kicking, *self._looking):
            task.cancel()
        await self._audit.stop()

    async def void(self, *, user: str | None, session: str | None, token: str | None) -> None:
        """Cut the connections of a session, of a service token, or all of a user, also those that are being let in."""

        def concerned(connection: str) -> bool:
            name, kind, id, _ = marks.parts_of(connection)
            return (user is not None and name == user and kind != "") or (
                (kind, id) in ((LoginKind.SESSION, session), (LoginKind.TOKEN, token)) and id != ""
            )

        for one in self._entering:
            if one.identity is None:  # a password is being checked; who comes with a token is known at once
                one.void = one.void or one.name == user
            else:
                one.void = one.void or concerned(marks.name_of(one.identity))
        await self._kick(lambda one: concerned(one.authorized_user))

    # --- logins

    async def _hear(self, message: Message) -> None:
        if len(self._tasks) >= AT_ONCE:  # no answer is a refusal too, after the server's own wait
            self._dropped += 1
            return
        try:
            question = callout.read(message.data)
        except BadQuestion as error:
            log.warning("not a login question", error=str(error))
            return
        place = neighbourhood(question.address)
        if self._asking[place] >= AT_ONCE_EACH:
            self._dropped += 1
            return
        self._asking[place] += 1
        task = asyncio.get_running_loop().create_task(self._answer(message, question))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._asking[place] -= 1
            if not self._asking[place]:
                del self._asking[place]

        task.add_done_callback(done)

    async def _answer(self, message: Message, question: Question) -> None:
        now = int(self._clock.now().timestamp())
        entering = _Entering(question.name)
        self._entering.add(entering)
        try:
            async with asyncio.timeout(ADMIT_SECONDS):
                identity = await self._let_in(question, entering)
            answer = callout.admitted(question, identity, self._seed, now)
        except _Out:
            self._note_refused(question, ErrorCode.RATE_LIMITED)
            return
        except (Refusal, TimeoutError) as refusal:
            self._note_refused(question, refusal.code if isinstance(refusal, Refusal) else ErrorCode.TIMEOUT)
            answered = self._refusals.answers(neighbourhood(question.address), self._clock.monotonic())
            if not answered or not await self._is_current(0.0):  # a host that was away does not know who came meanwhile
                return
            answer = callout.refused(question, self._seed, now)
        finally:
            asyncio.get_running_loop().call_later(SETTLED, self._settle, entering)
        if message.reply is not None:
            await message.reply(answer, {})

    async def _let_in(self, question: Question, entering: _Entering) -> Identity:
        """Who it is, put on the audit; asked again where that has changed meanwhile. Raises Refusal, _Out."""
        for _ in range(ADMIT_TRIES):
            entering.identity, entering.void = None, False
            if not question.secret.startswith(SERVICE):  # before a password is checked, which costs much more
                self._must_not_be_out(share_of(LoginKind.PASSWORD, question.name))
            identity = await self._admit(question.name, question.secret, question.address)
            share = share_of(identity.kind, identity.user)
            self._must_not_be_out(share)
            if self._meter.is_full(share):
                raise Refusal(ErrorCode.CONFLICT, "This user has all the connections that one may have.")
            entering.identity = identity
            self._meter.entered(share, self._clock.monotonic())
            await self._note_admitted(question, identity)
            await self._audience.enter(identity.user)
            if not entering.void:
                return identity
        raise Refusal(ErrorCode.CONFLICT, "What this user may do is being changed.")

    def _settle(self, entering: _Entering) -> None:
        """Cut a connection that became void after its answer, and before the server listed it."""
        self._entering.discard(entering)
        if entering.void and entering.identity is not None:
            name = marks.name_of(entering.identity)
            task = asyncio.get_running_loop().create_task(self._kick(lambda one: one.authorized_user == name))
            self._kicking.add(task)
            task.add_done_callback(self._kicking.discard)

    def _must_not_be_out(self, share: Share) -> None:
        if self._meter.is_out(share, self._clock.monotonic()):
            raise _Out

    async def _note_admitted(self, question: Question, identity: Identity) -> None:
        writing = self._audit.note(
            bus_audit.LOGIN, bus_audit.OK, user=identity.user, address=question.address,
            credential=f"{identity.kind}:{identity.id}",
        )  # fmt: skip
        if writing is not None:
            log.info("bus login", user=identity.user, kind=identity.kind.value, address=question.address)
            await asyncio.wait({writing}, timeout=bus_audit.SECONDS)

    def _note_refused(self, question: Question, code: ErrorCode) -> None:
        """Who it would have been is only said of users that exist: strangers name whomever they like."""
        subject: dict[str, str | int] = {"username": question.name} if self._known(question.name) else {}
        if self._audit.note(bus_audit.LOGIN, code.value, subject=subject, address=question.address) is not None:
            log.info("bus login refused", address=question.address, code=code.value, **subject)

    # --- the end of connections

    async def _kick(self, concerned: Callable[[Connection], bool]) -> None:
        for _ in range(KICK_TRIES):
            try:
                server, connections = await self._connections()
                for one in connections:
                    if concerned(one):
                        await self._kick_one(server, one.cid)
            except (BusError, *UNDECODABLE) as error:
                log.warning("connections not cut yet", error=repr(error))
                continue
            return

    async def _kick_one(self, server: str, cid: int) -> bool:
        """Whether it was there to be cut. Raises BusError."""
        wanted = msgspec.json.encode({"cid": cid})
        answered = await self._sys.request(f"$SYS.REQ.SERVER.{server}.KICK", wanted, {}, timeout=SYS_SECONDS)
        return b'"error":' not in answered.data

    async def _connections(self) -> tuple[str, list[Connection]]:
        wanted = msgspec.json.encode({"auth": True, "acc": ACCOUNT, "limit": 65536})
        answered = await self._sys.request(CONNECTIONS, wanted, {}, timeout=SYS_SECONDS)
        answer = msgspec.json.decode(answered.data, type=_Answer)
        self._clustered = bool(answer.server.cluster)
        return answer.server.id, answer.data.connections

    async def _tell_audience(self, connections: Iterable[Connection]) -> None:
        """One server of several lists its own connections alone: then nothing is said, and hosts tell everybody."""
        if not self._clustered:
            names = (marks.parts_of(one.authorized_user) for one in connections)
            await self._audience.listed(user for user, kind, _, _ in names if kind)

    async def _sweep(self) -> None:
        """Cut what came in long ago, so that it comes back before its rights run out and the client gives up."""

        def old(one: Connection) -> bool:
            if marks.parts_of(one.authorized_user)[1] not in (LoginKind.PASSWORD, LoginKind.TOKEN):
                return False
            started = parse_utc(one.start.split(".")[0].rstrip("Z") + "Z")
            return (self._clock.now() - started).total_seconds() > OLD

        while True:
            await asyncio.sleep(SWEEP)
            with contextlib.suppress(ValueError):
                await self._kick(old)

    # --- the limits

    async def _watch(self) -> None:
        """Look at what connections do, and cut whoever does too much."""
        for number in itertools.count():
            await asyncio.sleep(LOOK)
            try:
                asked = self._clock.monotonic()
                received = await self._received() if number % RECEIVED_EVERY == 0 else NOBODY
                server, connections = await self._connections()
                for cut in self._meter.look(server, connections, asked, self._clock.monotonic(), received):
                    await self._cut(server, cut)
                await self._tell_audience(connections)
                if self._doubtful or number % OUTDATED_EVERY == 0:
                    await self._cut_outdated(server, connections)
            except (BusError, *UNDECODABLE) as error:
                log.warning("what connections do is not known now", error=repr(error))
            except Exception:  # one list that is odd shall not end all limits
                log.exception("connections could not be looked at")
            self._audit.sweep()
            if self._dropped:
                log.warning("too many bus logins at once", dropped=self._dropped)
                self._dropped = 0

    async def _cut(self, server: str, cut: Cut) -> None:
        """Each host of the site sees the same, and says how many it was the one to cut: none, where another host was
        first, or they had ended by themselves."""
        done = [await self._kick_one(server, cid) for cid in cut.cids]
        share, user = cut.share
        said = {"limit": cut.why.value, "share": share, "connections": sum(done), "seconds": int(cut.seconds)}
        log.warning("bus connections cut", user=user, **said)
        self._audit.note(bus_audit.CUT, ErrorCode.RATE_LIMITED.value, user=user, subject=said)

    async def _cut_outdated(self, server: str, connections: Iterable[Connection]) -> None:
        """Cut what is outdated for the second time, where all was read here meanwhile that was on record at the first:
        another host may have let it in by what this one hears late, after it was away."""
        outdated = self._outdated({one.authorized_user for one in connections if marks.share_in(one.authorized_user)})
        found = {(server, one.cid) for one in connections if one.authorized_user in outdated}
        if found and not await self._is_current(LOOK):
            found = set()
        done = [await self._kick_one(server, cid) for _, cid in sorted(found & self._doubtful)]
        self._doubtful = found
        if any(done):
            log.warning("bus connections cut that would not be let in now", count=sum(done))

    async def _hear_event(self, message: Message) -> None:
        verb = message.subject.rpartition(".")[2]
        if verb not in ("CONNECT", "DISCONNECT"):
            return
        try:
            event = msgspec.json.decode(message.data, type=_Event)
        except UNDECODABLE as error:
            log.warning("not a connection's begin or end", error=str(error))
            return
        if verb == "DISCONNECT":
            counts = (event.sent.msgs, event.sent.bytes, event.received.bytes)
            self._meter.ended(event.server.id, event.client.id, counts, uncounted=event.uncounted)
        elif event.client.acc == ACCOUNT:
            self._meter.began(event.server.id, event.client.id, event.client.user)
