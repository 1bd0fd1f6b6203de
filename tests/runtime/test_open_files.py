"""A process raises its own limit of open files, as far as the system lets it."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from actors.runtime.open_files import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
print(allow_files({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("wanted", "allowed"), [(128, "128 128"), (1024, "256 256"), (32, "32 64")])
def test_as_many_as_are_wanted_or_allowed(wanted: int, allowed: str) -> None:
    script = [sys.executable, "-c", SCRIPT.format(wanted=wanted)]
    assert subprocess.run(script, capture_output=True, text=True, check=True).stdout.strip() == allowed
