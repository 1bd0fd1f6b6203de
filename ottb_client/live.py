"""What a site tells as it happens, over Socket.IO: one connection, which comes back by itself."""

import asyncio
import contextlib
import math
from types import TracebackType
from typing import Any, Self, TypeVar

import socketio
from msgspec import UNSET
from socketio.exceptions import ConnectionError as NotConnected
from socketio.exceptions import SocketIOError

from bus_schemas.errors import ErrorCode
from ottb_client.answers import Given
from ottb_client.errors import ApiError, of_refused, unreached
from ottb_client.http import Http
from ottb_client.subscription import ShownSubscription, Subscription

Update = TypeVar("Update")
Thing = TypeVar("Thing")

HANDSHAKE = 5.0  # seconds
SECONDS = 30.0  # for an answer; of a subscription, until all that was missed has come
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0  # seconds before it connects again
SOONEST = 1.0  # seconds between two tokens


class Connection:
    """One client of the live feed. It connects again until its user may not any more."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._rooms: dict[str, Subscription[Any]] = {}  # any: of each room its own update
        self._gone = asyncio.Event()
        self._refused: Any = None  # what the server said of a handshake
        self._socket: Any = None  # any: the library has no types
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._connect()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._socket.disconnect()

    async def leave(self, subscription: Subscription[Any]) -> None:
        """Hear nothing more of a room. Raises ApiError."""
        if self._rooms.get(subscription.room) is subscription:
            del self._rooms[subscription.room]
            await self._call(f"unsubscribe:{subscription.room}")

    async def _subscribe(
        self, room: str, event: str, update: type[Update], narrowed: Given, since: int | None
    ) -> Subscription[Update]:
        """Hear a room. Raises ApiError."""
        subscription = Subscription(room, event, update, _said(narrowed))
        subscription.told = since
        await self._enter(subscription)
        return subscription

    async def _show(
        self, room: str, event: str, thing: type[Thing], update: type[Update], narrowed: Given
    ) -> ShownSubscription[Thing, Update]:
        """Hear a room behind how all is. Raises ApiError."""

        async def again() -> None:
            if self._rooms.get(room) is subscription:
                await self._ask_for(subscription)

        subscription = ShownSubscription(room, event, thing, update, _said(narrowed), again)
        await self._enter(subscription)
        return subscription

    async def _enter(self, subscription: Subscription[Any]) -> None:
        room = subscription.room
        if room in self._rooms:
            raise ValueError(f"{room} is heard already: leave it, or open another connection.")
        self._rooms[room] = subscription
        try:
            await self._ask_for(subscription)
        except BaseException:
            self._rooms.pop(room, None)
            raise

    async def _ask_for(self, subscription: Subscription[Any]) -> None:
        """From what was told last. Raises ApiError."""
        async with subscription.asking:
            subscription.answered(await self._call(f"subscribe:{subscription.room}", subscription.wanted))

    async def _call(self, event: str, given: Any = None) -> Any:
        """What the server answers. Raises ApiError."""
        asking = asyncio.ensure_future(self._socket.call(event, given, timeout=SECONDS))
        going = asyncio.ensure_future(self._gone.wait())  # nobody answers then
        try:
            await asyncio.wait((asking, going), return_when=asyncio.FIRST_COMPLETED)
            said = asking.result() if asking.done() else None
        except SocketIOError as error:
            raise unreached(f"{self._http.url}: {str(error) or 'no answer'}") from None
        finally:
            asking.cancel()
            going.cancel()
        if said is None:
            raise unreached(f"{self._http.url}: the connection was lost.")
        if said["error"]:
            raise of_refused(said, status=401 if said["code"] == ErrorCode.AUTH_FAIL else 400)
        return said

    # --- the connection

    def _new_socket(self) -> Any:
        socket = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http.session)
        socket.on("*", self._hear)
        socket.on("connect_error", self._note_refusal)
        socket.on("disconnect", self._note_loss)
        return socket

    def _hear(self, event: str, payload: Any = None) -> None:
        if event == "auth.changed":
            room = (payload.get("details") or {}).get("room")
            if room in self._rooms:
                self._rooms.pop(room).end(of_refused(payload, status=403))
        for subscription in self._rooms.values():
            if subscription.event == event:
                subscription.take(payload)

    def _note_refusal(self, said: Any = None) -> None:
        self._refused = said

    def _note_loss(self, *_: object) -> None:
        self._gone.set()

    async def _connect(self) -> None:
        """Connect with a token that is good. Raises ApiError."""
        token = await self._http.fresh_token()
        try:
            await self._connect_with(token)
        except ApiError as error:
            if error.code != ErrorCode.AUTH_FAIL or not self._http.can_renew:
                raise
            await self._connect_with(await self._http.renew(token))

    async def _connect_with(self, token: str) -> None:
        self._refused, self._socket = None, self._new_socket()
        self._gone.clear()
        try:
            await self._socket.connect(
                self._http.url, auth={"token": token}, transports=["websocket"], wait_timeout=HANDSHAKE
            )
        except NotConnected as error:
            raise self._why(error) from None

    def _why(self, error: Exception) -> ApiError:
        try:
            refused = of_refused(self._refused["data"])
        except (LookupError, TypeError):
            return unreached(f"{self._http.url}: {error}")
        refused.status = 401 if refused.code == ErrorCode.AUTH_FAIL else 503
        return refused

    async def _keep(self) -> None:
        """Stay connected, with a newer token before the old one is over, and come back where the connection is lost."""
        try:
            while True:
                if await self._is_lost_within(self._http.renew_in):
                    await self._come_back()
                else:
                    await self._go_on()
        except Exception as error:  # whoever listens is told
            for subscription in self._rooms.values():
                subscription.end(error)
            if not isinstance(error, ApiError):
                raise

    async def _is_lost_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(seconds, SOONEST) if math.isfinite(seconds) else None):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    async def _go_on(self) -> None:
        """With a newer token. What is in the way of that shows when the connection ends."""
        try:
            await self._call("auth:refresh", {"token": await self._http.fresh_token()})
        except ApiError as error:
            if not error.passing:
                raise

    async def _come_back(self) -> None:
        """Connect again, and ask for what was missed. Raises ApiError where that is refused."""
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            try:
                await self._connect()
                for subscription in list(self._rooms.values()):
                    await self._ask_for(subscription)
                return
            except ApiError as error:
                if not error.passing:
                    raise
                pause = min(max(2 * pause, error.retry_after or 0.0), LONGEST_PAUSE)
            await self._socket.disconnect()


def _said(narrowed: Given) -> dict[str, Any]:
    return {name: value for name, value in narrowed.items() if value is not UNSET}
