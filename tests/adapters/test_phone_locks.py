"""The lock of a phone: one process has it until it is gone or lets go."""

import asyncio
import subprocess
import sys
from pathlib import Path

from actors.adapters.phone_locks import PhoneLocks

HOLD = """
import sys, time
from pathlib import Path
from actors.adapters.phone_locks import PhoneLocks
locks = PhoneLocks(Path(sys.argv[2]), server="1")
print(locks.take(sys.argv[1]), flush=True)
time.sleep(60)
"""


def test_one_at_a_time_and_the_next_when_it_lets_go(tmp_path: Path) -> None:
    first, second = PhoneLocks(tmp_path, server="1"), PhoneLocks(tmp_path, server="1")
    assert first.take("boot1") and first.take("boot1") and first.take("boot2")
    assert not second.take("boot1")
    first.keep(["boot2"])
    assert second.take("boot1") and not second.take("boot2")
    assert PhoneLocks(tmp_path, server="2").take("boot1")  # the phones of another server are other phones
    first.keep(())
    assert second.take("boot2")
    second.keep(())


async def test_a_killed_process_has_no_phones(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, "boot3", str(tmp_path)]
    holder = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    locks = PhoneLocks(tmp_path, server="1")
    try:
        assert holder.stdout is not None and await holder.stdout.readline() == b"True\n"
        assert not locks.take("boot3")
    finally:
        holder.kill()
        await holder.wait()
    assert locks.take("boot3")
    locks.keep(())
