"""How one site is asked over HTTP: logged in, with a deadline, and again where that does no harm."""

import asyncio
import copy
import math
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import UNSET
from yarl import URL

from bus_schemas.errors import ErrorCode
from bus_schemas.user import LoggedOut, RefreshedToken, Token
from ottb_client.answers import Download, Given, Listing, Table, decoded
from ottb_client.errors import ApiError, refusal, unreached
from ottb_client.stream import Events

Reply = TypeVar("Reply")
Item = TypeVar("Item")

SECONDS = 30.0
ATTEMPTS, PAUSE = 4, 0.2  # of what has a key; seconds before the second, each next one twice as long
PIECE = 64 * 1024
WITH_BODY = ("POST", "PATCH", "PUT")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KEY = "Idempotency-Key"
RENEWED = 0.8  # of its life, after which a token is replaced where somebody stays connected with it
ELSEWHERE = ("", ".", "..")
_IN_PATH = re.compile(r"\{(\w+)\}")

Connector = Callable[[], aiohttp.BaseConnector]


@dataclass
class Login:
    """With what somebody is logged in. `born`, `until`: of the access token, on the monotonic clock."""

    token: str | None = None
    refresh_token: str | None = None
    born: float = 0.0
    until: float = math.inf
    renewal: asyncio.Task[None] | None = None

    def take(self, answer: Token | RefreshedToken) -> None:
        self.born = time.monotonic()
        self.token, self.refresh_token, self.until = answer.token, answer.refresh_token, self.born + answer.expires

    @property
    def renew_at(self) -> float:
        return self.born + RENEWED * (self.until - self.born) if self.refresh_token else math.inf


@dataclass(frozen=True)
class Asked:
    """A request. `path`: as it is sent."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Http:
    """One site. `token`: a service token, or an access token; else `login`. `seconds`: how long an answer may take,
    with all that is tried for it. `connector`: makes aiohttp's, where its own is not the right one (a certificate of
    one's own)."""

    def __init__(
        self, url: str, *, token: str | None = None, seconds: float = SECONDS, connector: Connector | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.seconds = seconds
        self._connector = connector or aiohttp.TCPConnector
        self._login = Login(token=token)
        self._open: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None)  # each request has its own
        self._open = aiohttp.ClientSession(connector=self._connector(), timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if (renewal := self._login.renewal) is not None:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._open is None:
            raise RuntimeError("Use the client in `async with`.")
        return self._open

    def within(self, seconds: float) -> Self:
        """The same client, with this deadline for each answer."""
        other = copy.copy(self)
        other.seconds = seconds
        return other

    # --- who asks

    async def login(self, username: str, password: str) -> Token:
        """Log in. The tokens are kept, and replaced in time. Raises ApiError."""
        asked = _asked("POST", "/api/auth/login", {"username": username, "password": password})
        token = await self._one(asked, Token, token=None)
        self._login.take(token)
        return token

    async def logout(self, *, everywhere: bool = False, end_tokens: bool = False) -> LoggedOut:
        """End the session, or all sessions of the user. Raises ApiError."""
        given = {"everywhere": everywhere, "end_tokens": end_tokens}
        ended = await self._ask("POST", "/api/auth/logout", LoggedOut, given)
        self._login.token = self._login.refresh_token = None
        return ended

    async def refresh(self) -> None:
        """Have newer tokens. It is done by itself when they are needed. Raises ApiError."""
        await self.renew(self._login.token)

    async def renew(self, before: str | None) -> str:
        """A newer token than this one; the same for all who ask at once. Raises ApiError."""
        login = self._login
        if login.token == before:
            # A refresh token is good for one use: what has been sent is waited for, whoever gives up meanwhile.
            if login.renewal is None:
                login.renewal = asyncio.get_running_loop().create_task(self._renew())
            await asyncio.shield(login.renewal)
        assert login.token is not None
        return login.token

    async def _renew(self) -> None:
        try:
            asked = _asked("POST", "/api/auth/refresh", {"refresh_token": self._login.refresh_token})
            patient = self.within(max(self.seconds, SECONDS))
            self._login.take(await patient._one(asked, RefreshedToken, token=None))
        finally:
            self._login.renewal = None

    async def fresh_token(self) -> str:
        """A token that is good for a while, for what stays connected with it. Raises ApiError."""
        token = self._login.token
        if token is None:
            raise ApiError(ErrorCode.AUTH_FAIL, "Log in first.")
        return await self.renew(token) if time.monotonic() >= self._login.renew_at else token

    @property
    def can_renew(self) -> bool:
        return self._login.refresh_token is not None

    @property
    def renew_in(self) -> float:
        """Seconds until `fresh_token` gives another one."""
        return max(self._login.renew_at - time.monotonic(), 0.0)

    # --- what methods are made of

    async def _ask(self, method: str, path: str, reply: type[Reply], given: Given, file: bytes | None = None) -> Reply:
        """The answer. Raises ApiError."""
        return await self._one(_asked(method, path, given, file), reply)

    async def _do(
        self, method: str, path: str, reply: type[Reply], given: Given, key: str | None, file: bytes | None = None
    ) -> Reply:
        """The same of what is done once by its key, and so is asked again where nobody knows whether it was. Raises
        ApiError."""
        asked = _asked(method, path, given, file)
        keyed = replace(asked, headers={**asked.headers, KEY: key or uuid.uuid4().hex})
        return await self._one(keyed, reply)

    def _list(self, path: str, items: type[list[Item]], given: Given, within: str = "") -> Listing[Item]:
        return Listing(partial(self._page, path), partial(self._pieces, path), items, given, within)

    def _table(self, path: str, items: type[list[Item]], given: Given) -> Table[Item]:
        given = {**given, "format": "json"}
        return Table(partial(self._page, path), partial(self._pieces, path), items, given)

    def _file(self, path: str, given: Given) -> Download:
        return Download(partial(self._pieces, path), given)

    def _follow(self, path: str, item: type[Item], given: Given) -> AsyncIterator[Item]:
        def opened(last: str | None) -> Any:
            asked = _asked("GET", path, given)
            return self._opened(replace(asked, headers={"Last-Event-ID": last}) if last is not None else asked)

        return Events(opened, item).all()

    # --- requests

    async def _one(self, asked: Asked, reply: type[Reply], **how: Any) -> Reply:
        body, _ = await self._answered(asked, **how)
        return decoded(body, reply)

    async def _page(self, path: str, given: Given) -> tuple[bytes, Mapping[str, str]]:
        return await self._answered(_asked("GET", path, given))

    async def _pieces(self, path: str, given: Given) -> AsyncIterator[bytes]:
        async with self._opened(_asked("GET", path, given)) as answer:
            async for piece in answer.content.iter_chunked(PIECE):
                yield piece

    async def _answered(self, asked: Asked, **how: Any) -> tuple[bytes, Mapping[str, str]]:
        """The body and the headers of a good answer. Raises ApiError, with what was in the way last."""
        give_up, pause, left = time.monotonic() + self.seconds, PAUSE, ATTEMPTS
        while True:
            try:
                async with asyncio.timeout(max(give_up - time.monotonic(), 0.0)):
                    async with self._opened(asked, **how) as answer:
                        return await answer.read(), answer.headers
            except TimeoutError:
                raise ApiError(ErrorCode.TIMEOUT, f"no answer within {self.seconds:g} s") from None
            except ApiError as error:
                left -= 1
                rest = max(pause, error.retry_after or 0.0)
                if KEY not in asked.headers or not error.repeatable or left == 0:
                    raise
                if time.monotonic() + rest >= give_up:
                    raise
            pause *= 2
            await asyncio.sleep(rest)

    @asynccontextmanager
    async def _opened(self, asked: Asked, **how: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer whose body has not been read. A token that has run out is replaced. Raises ApiError."""
        token = how.get("token", self._login.token)
        answer = await self._sent(asked, token)
        if answer.status == 401 and token is not None and self.can_renew:
            answer.release()
            answer = await self._sent(asked, await self.renew(token))
        try:
            if answer.status >= 400:
                raise refusal(answer.status, answer.reason or "", await answer.read(), answer.headers)
            yield answer
        except (aiohttp.ClientError, OSError) as error:
            raise _unreached(self.url, error) from None
        finally:
            answer.release()

    async def _sent(self, asked: Asked, token: str | None) -> aiohttp.ClientResponse:
        headers = {**asked.headers, **({"Authorization": f"Bearer {token}"} if token is not None else {})}
        if asked.body is not None:
            headers.setdefault("Content-Type", "application/json")
        url = URL(self.url + asked.path, encoded=True).update_query(asked.query)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.seconds, sock_read=max(self.seconds, SECONDS))
        try:
            return await self.session.request(asked.method, url, data=asked.body, headers=headers, timeout=timeout)
        except (aiohttp.ClientError, OSError) as error:
            raise _unreached(self.url, error) from None


def _asked(method: str, path: str, given: Given, file: bytes | None = None) -> Asked:
    """What is in the path goes there; the rest is the body, or the query where that is a file or there is none."""
    said = {name: value for name, value in given.items() if value is not UNSET}
    place = _IN_PATH.sub(lambda match: _in_path(match[1], _text(said.pop(match[1]))), path)
    if file is None and method in WITH_BODY:
        return Asked(method, place, {}, msgspec.json.encode(said))
    query = {name: _text(value) for name, value in said.items() if value is not None}
    headers = {"Content-Type": XLSX if file.startswith(b"PK") else "text/csv"} if file is not None else {}
    return Asked(method, place, query, file, headers)


def _in_path(name: str, text: str) -> str:
    """A value as it stands in a path. However they are quoted, some would lead elsewhere. Raises ApiError."""
    if text in ELSEWHERE:
        said = f'`{name}`: "{text}" is the name of nothing.'
        raise ApiError(ErrorCode.INVALID_PARAMS, said, status=400, details={"field": name})
    return quote(text, safe="")


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _unreached(url: str, error: Exception) -> ApiError:
    if isinstance(error, aiohttp.ServerTimeoutError):
        return ApiError(ErrorCode.TIMEOUT, f"{url} says nothing.")
    return unreached(f"{url}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}")
