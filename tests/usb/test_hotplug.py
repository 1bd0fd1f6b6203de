"""Hubs and phones that udev tells of, plugged in and out: `GET /api/monitor/usb` is right within a second."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.usb.hotplug import CASES

pytestmark = pytest.mark.umockdev
WRAPPER = "umockdev-wrapper"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("case", [case.__name__ for case in CASES])
def test_hubs_are_plugged_in_and_out(case: str, tmp_path: Path) -> None:
    if shutil.which(WRAPPER) is None:
        pytest.fail("umockdev is not there: apt install umockdev")
    command = [WRAPPER, sys.executable, "-m", "tests.usb.hotplug", case, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"[-8000:]
