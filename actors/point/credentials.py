"""Who somebody is: by name and password, or by what they came with."""

import asyncio
import re
from collections import Counter
from typing import Protocol
from weakref import WeakValueDictionary

from actors.point import password
from actors.point.directory import ENDED, Directory, User
from actors.point.machine import Asker
from actors.point.throttle import Throttle
from actors.runtime.addresses import neighbourhood
from actors.runtime.clock import Clock
from actors.runtime.context import Context
from bus_schemas.errors import ErrorCode, Refusal, RefusalTemplate, misfit, retry_after
from bus_schemas.user import Identity, LoginKind

USER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
NOT_A_NAME = "A user name is of A-Z a-z 0-9 _ and -, without blanks before, inside or after it."
LINE_OF_ADDRESS = 32  # passwords of one address that may wait to be checked; half of the line is left to the others

TOO_MANY_LOGINS = "Too many logins at once. Wait."
WRONG = RefusalTemplate(ErrorCode.AUTH_FAIL, "Wrong user name or password.")


class TooManyPasswords(Exception):
    """Too many passwords are being checked at once."""


class PasswordChecks(Protocol):
    """Hashing and checking of passwords, slow on purpose. Both raise TooManyPasswords."""

    async def hash(self, password: str) -> str: ...
    async def check(self, stored: str | None, password: str) -> bool: ...


class Credentials:
    """What users of the site show. `shortest`: characters of a new password, at least."""

    def __init__(self, *, directory: Directory, passwords: PasswordChecks, clock: Clock, shortest: int) -> None:
        self._directory = directory
        self._passwords = passwords
        self._clock = clock
        self._shortest = shortest
        self._throttle = Throttle()
        self._in_line: Counter[str] = Counter()  # passwords that wait to be checked, by address
        self._logins: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def right_user(self, name: str, secret: str, address: str) -> User:
        """The user of this name and password. One guess at a time for an account and address. AUTH_FAIL,
        RATE_LIMITED; INVALID_PARAMS for a name that nobody can have, which so gives nothing away."""
        if not USER_NAME.match(name):
            raise misfit("username", NOT_A_NAME)
        turn = self._logins.setdefault((name, neighbourhood(address)), asyncio.Lock())
        async with turn:
            wait = self._throttle.wait(name, address, self._clock.monotonic())
            if wait > 0:
                raise Refusal(ErrorCode.RATE_LIMITED, "Too many wrong passwords. Wait.", retry_after=retry_after(wait))
            user = self._directory.users.get(name)
            right = await self._check(user.password_hash if user else None, secret, neighbourhood(address))
            if not right or user is None or not self._directory.still_lets_in(name, user.password_mark):
                self._throttle.failed(name, address, self._clock.monotonic())
                raise WRONG()
            self._throttle.succeeded(name, address)
            return self._directory.users[name]

    async def _check(self, stored: str | None, secret: str, place: str) -> bool:
        """Whether one spelling of the password is the stored one. A wrong one takes as long for whatever name."""
        if self._in_line[place] >= LINE_OF_ADDRESS:
            raise Refusal(ErrorCode.RATE_LIMITED, TOO_MANY_LOGINS, retry_after=1)
        self._in_line[place] += 1
        try:
            for spelling in password.spellings(secret):
                if await self._passwords.check(stored, spelling):
                    return True
            return False
        except TooManyPasswords:
            raise Refusal(ErrorCode.RATE_LIMITED, TOO_MANY_LOGINS, retry_after=1) from None
        finally:
            self._in_line[place] -= 1
            if not self._in_line[place]:
                del self._in_line[place]

    async def hash(self, name: str, secret: str, field: str = "password") -> str:
        fit = password.fit(secret, user=name, shortest=self._shortest, field=field)
        try:
            return await self._passwords.hash(fit)
        except TooManyPasswords:
            raise Refusal(ErrorCode.RATE_LIMITED, TOO_MANY_LOGINS, retry_after=1) from None

    def identify(self, kind: LoginKind, id: str, proof: str) -> Identity:
        return self._directory.identify(kind, id, proof, self._clock.now())

    def came_with(self, context: Context) -> Identity:
        kind, _, id = (context.credential or "").partition(":")
        if kind not in LoginKind._value2member_map_:
            raise ENDED()
        return self.identify(LoginKind(kind), id, "")

    def asker(self, context: Context) -> Asker:
        """Whoever asks, with what they hold by the record now, whatever a door remembers of them."""
        identity = self.came_with(context)
        if identity.user != context.user:
            raise ENDED()
        program = identity.kind is LoginKind.TOKEN
        return Asker(user=identity.user, actions=frozenset(identity.actions), program=program)
