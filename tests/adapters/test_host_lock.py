"""The lock of a host name: one process holds it until it is gone, also while it stands still."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from actors.adapters.host_lock import HostLock

HOLD = """
import asyncio, sys
from pathlib import Path
from actors.adapters.host_lock import HostLock

async def main():
    lock = HostLock(Path(sys.argv[1]), "a")
    await lock.acquire()
    print("held", file=sys.stderr, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_one_at_a_time_and_the_next_when_it_lets_go(tmp_path: Path) -> None:
    first, second = HostLock(tmp_path, "a"), HostLock(tmp_path, "a")
    await first.acquire()
    waiting = asyncio.ensure_future(second.acquire())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    first.release()
    await asyncio.wait_for(waiting, 2.0)
    second.release()


async def test_another_name_is_another_lock(tmp_path: Path) -> None:
    locks = [HostLock(tmp_path, name) for name in ("a", "b")]
    for lock in locks:
        await asyncio.wait_for(lock.acquire(), 2.0)
    for lock in locks:
        lock.release()


async def test_a_stopped_process_holds_it_and_a_killed_one_does_not(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        assert holder.stderr is not None and await holder.stderr.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        lock = HostLock(tmp_path, "a")
        waiting = asyncio.ensure_future(lock.acquire())
        await asyncio.sleep(0.3)
        assert not waiting.done() and lock.path.read_text() == f"{holder.pid}\n"
        holder.kill()
        await asyncio.wait_for(waiting, 2.0)
        lock.release()
    finally:
        with contextlib.suppress(ProcessLookupError):
            holder.kill()
        await holder.wait()
