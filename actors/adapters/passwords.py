"""Password hashes: Argon2id, in threads that are few and waited for in line."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from actors.point.credentials import TooManyPasswords

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1  # OWASP's Argon2id profile: about 50 ms on a small core
THREADS = 2
NICE = 5
T = TypeVar("T")
WAITING = 64  # logins that may stand in line; more are refused, a hash is dear


def _stand_back() -> None:
    """Whoever tries passwords takes time that nobody else needs. On Linux this thread's alone."""
    if sys.platform == "linux":
        os.nice(NICE)


class Passwords:
    """Hashes and checks. An unknown user's password is checked too, against a hash of nothing, so that the answer
    takes as long."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="passwords", initializer=_stand_back)
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody")

    async def hash(self, password: str) -> str:
        """The password's hash in PHC form. Raises TooManyPasswords."""
        return await self._in_line(self._hasher.hash, password)

    async def check(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of the stored hash; None: of nobody. Raises TooManyPasswords."""
        right = await self._in_line(self._verify, stored or self._nobody, password)
        return right and stored is not None

    async def _in_line(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= WAITING:
            raise TooManyPasswords
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
