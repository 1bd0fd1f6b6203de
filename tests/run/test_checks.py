"""Checks of scripts on one host: one at a time, so many in line, and none for somebody who has gone."""

import asyncio
import threading
from functools import partial

import pytest

from actors.runtime.checks import EACH, WAITING, Checks
from actors.script.checking import Checked, check
from actors.script.language import Script
from bus_schemas.errors import ErrorCode, Refusal

TEXT = 'name = "a"\nversion = 1\nsummary = "A script."\n[[steps]]\ndo = "run"\nscript = "other"\n'


class Known(dict[str, Script]):
    """A library that notes in which threads it is asked, and lets them go on when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __contains__(self, name: object) -> bool:
        self.asked.append(threading.current_thread().name)
        return not self.go_on.wait(20)


async def asked_of(checks: Checks, known: Known, who: str) -> Checked:
    return await checks.one(("user", who), partial(check, TEXT, known, None))


async def test_a_host_checks_one_script_at_a_time_and_no_more_wait() -> None:
    checks, known = Checks("scripts"), Known()
    asked = [asyncio.create_task(asked_of(checks, known, str(n))) for n in range(WAITING + 3)]
    done, waiting = await asyncio.wait(asked, timeout=0.3)
    assert len(done) == 3 and len(waiting) == WAITING and len(known.asked) == 1
    for refused in done:
        with pytest.raises(Refusal) as caught:
            await refused
        assert caught.value.code is ErrorCode.UNAVAILABLE
    known.go_on.set()
    assert all(isinstance(one, Checked) for one in await asyncio.gather(*waiting))
    assert len(known.asked) == WAITING and len({*known.asked}) == 1
    checks.stop()


async def test_a_check_that_is_given_up_is_not_done() -> None:
    checks, known = Checks("scripts"), Known()
    asked = [asyncio.create_task(asked_of(checks, known, str(n))) for n in range(WAITING)]
    await asyncio.sleep(0.2)
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    known.go_on.set()
    assert (await asked_of(checks, known, "a")).problems
    assert len(known.asked) == 2
    checks.stop()


async def test_one_user_does_not_fill_the_line_of_checks() -> None:
    checks, known = Checks("scripts"), Known()
    asked = [asyncio.create_task(asked_of(checks, known, "a")) for _ in range(WAITING)]
    done, waiting = await asyncio.wait(asked, timeout=0.3)
    assert len(waiting) == EACH
    for refused in done:
        with pytest.raises(Refusal) as caught:
            await refused
        assert (caught.value.code, caught.value.details["rule"]) == (ErrorCode.RATE_LIMITED, "checks")
    other = asyncio.create_task(asked_of(checks, known, "b"))
    known.go_on.set()
    assert all(isinstance(one, Checked) for one in await asyncio.gather(*waiting, other))
    assert await asked_of(checks, known, "a")  # what is done counts no more
    checks.stop()
