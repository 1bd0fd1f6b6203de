"""What lies in a folder of scripts and is no script: a host does not wait for it, nor read it into its memory."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from actors.run.library import LARGEST, Scripts
from tests.script.scripts import HEAD

GOOD = HEAD.replace('"a"', '"good"', 1) + '[[steps]]\ndo = "key"\nkey = "home"\n'
SOON = 5.0  # seconds


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe that nobody writes to": os.mkfifo,
    "a device without an end": _link_to("/dev/zero"),
    "a device that waits": _link_to("/dev/ptmx"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a folder": Path.mkdir,
    "more than a script has": lambda path: path.write_bytes(b"#" * (LARGEST + 1)) and None,
    "a large hole": lambda path: path.touch() or os.truncate(path, 1 << 40),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00") and None,
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_script_is_told_and_the_others_are_read(tmp_path: Path, odd: str) -> None:
    ODD[odd](tmp_path / "odd.toml")
    (tmp_path / "good.toml").write_text(GOOD)
    told: dict[str, str | None] = {}
    scripts = Scripts((tmp_path,), told.__setitem__)
    looking = Thread(target=scripts.look, daemon=True)
    looking.start()
    looking.join(SOON)
    assert not looking.is_alive()
    assert scripts.get("good").name == "good"
    print(f"{odd}: {told.get('odd')}")
    if odd != "a link to itself":  # which leads to nothing
        assert "cannot be read" in (told["odd"] or "")
