"""The folder that debootstrap builds in, and what a build leaves that was killed."""

import re
import shutil
import subprocess
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
SECONDS = 30


class StillMounted(Exception):
    """Something is mounted in the folder. The message says what to do."""


def clear(building: Path) -> None:
    """Remove it. A build that was killed may have left `/proc` mounted there, and what is in that is the running
    system's: what is mounted goes first. Raises StillMounted where that does not help."""
    for place in reversed(_mounts(building)):  # the youngest first
        subprocess.run(["umount", str(place)], check=False, capture_output=True, timeout=SECONDS)
    if left := _mounts(building):
        raise StillMounted(f"{left[-1]} is mounted, by a build that was killed. Unmount it (umount), then try again.")
    shutil.rmtree(building, ignore_errors=True)


def _mounts(folder: Path) -> list[Path]:
    """What is mounted at or below a folder, the oldest first."""
    lines = MOUNTS.read_text().splitlines()
    places = [Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split()[4])) for line in lines]
    return [place for place in places if place.is_relative_to(folder.resolve())]
