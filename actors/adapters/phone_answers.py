"""Reading of what a phone answers, beside the loop where that is long: half a megabyte takes up to a third of a second,
and a phone that lies may have itself asked several times a second."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SHORT = 16 * 1024  # characters; they take some milliseconds at most
AT_ONCE = 2  # of all phones: Python reads no more at a time anyway

_readers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="phone answers")

Found = TypeVar("Found")


class Answers:
    """Those of one phone, of which others' do not wait for more than one."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def read(self, answer: str, parse: Callable[[str], Found]) -> Found:
        """What there is in an answer."""
        if len(answer) <= SHORT:
            return parse(answer)
        async with self._turn:
            return await asyncio.get_running_loop().run_in_executor(_readers, parse, answer)
