"""The shell of a handset in simulated time, with screens: the userland of a virtual phone over the handset's telephony.

A line is run in one moment, and what it takes is told: within it no time passes, so `sleep` in it moves nothing on.
"""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from actors.slot.phone import ShellResult
from simulators.phone.android import Android, Identity
from simulators.phone.screens.profile import Profile
from simulators.phone.screens.screens import Screens
from simulators.phone.shell_run import Command, Shell
from simulators.phone.telephony import Happened, Telephony

Answer = TypeVar("Answer")


class HandsetShell:
    """`clock`: the handset's seconds; `happened` and `dialled` are told what becomes of calls."""

    def __init__(
        self,
        name: str,
        telephony: Telephony,
        *,
        clock: Callable[[], float],
        happened: Callable[[list[Happened]], None],
        dialled: Callable[[str], None],
        profile: Profile,
        seed: int,
    ) -> None:
        self._android = Android(
            identity=Identity(serial=name),
            telephony=telephony,
            clock=clock,
            wall_at=lambda at: datetime.fromtimestamp(at, UTC),
            happened=happened,
            dialled=dialled,
            fork_delay=0.02,
        )
        self.screens = Screens(self._android, profile, seed=seed)
        self._android.use_screens(self.screens)

    def run(self, line: str, max_output: int) -> tuple[ShellResult, float]:
        """Run a line; its result, and the seconds until it is there."""
        out, err, code, seconds = self.run_raw(line)
        text = (out + err)[:max_output].decode(errors="replace")
        return ShellResult(exit_code=code, output=text, truncated=len(out + err) > max_output), seconds

    def run_raw(self, line: str) -> tuple[bytes, bytes, int, float]:
        """Run a line: its two outputs, its code, and the seconds that it takes."""
        out, err, seconds = bytearray(), bytearray(), 0.0

        async def write(data: bytes) -> None:
            out.extend(data)

        async def errors(data: bytes) -> None:
            err.extend(data)

        async def one(command: Command) -> int:
            nonlocal seconds
            result = self._android.run(command.argv, command.stdin)
            seconds += result.delay
            await command.write(result.out)
            await command.errors(result.err)
            return result.code

        code = _at_once(Shell(one, errors).line(line, write))
        return bytes(out), bytes(err), code, seconds


def _at_once(work: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of something that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise RuntimeError("a line of a handset's shell waited for something")
