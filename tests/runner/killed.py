"""A runner that begins a step, says so, and waits: to be killed. `python -m tests.runner.killed FOLDER COMMAND`, and
`walled` behind it for bubblewrap.
"""

import asyncio
import sys
from pathlib import Path

from actors.adapters.runner.executor import LocalExecutor
from actors.runner.port import Command
from tests.runner.steps import NARROW, until_told


async def main() -> None:
    executor = LocalExecutor(folder=Path(sys.argv[1]), bubblewrap=sys.argv[3:] == ["walled"])
    workspace = await executor.prepare("run-1", None, {})
    running = await workspace.start(Command(run=sys.argv[2], limits=NARROW))
    reading = await until_told(running, b"ready")
    await asyncio.sleep(0.5)  # a look of the keeper's at who is there
    print(running._keeper.pid, flush=True)
    await reading


if __name__ == "__main__":
    asyncio.run(main())
