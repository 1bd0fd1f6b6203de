"""What an adb server with buses of its own sees of a machine's USB."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from actors.settings import load
from cli.site.children import adb_servers
from cli.site.supervisor import Child
from cli.site.usb_buses import with_buses

# A machine of three buses, in a namespace of its own: as /dev has them, whatever hangs on this one.
MACHINE = """
set -e
mkdir dev && mount -t tmpfs none dev
for node in null zero urandom; do touch dev/$node && mount --bind /dev/$node dev/$node; done
mkdir -p dev/bus/usb/001 dev/bus/usb/002 dev/bus/usb/003
touch dev/bus/usb/001/005 dev/bus/usb/002/006 dev/bus/usb/003/007
mount --rbind dev /dev
"""
LATER = "import os, sys; open('/dev/bus/usb/001/099', 'w').close(); print(sorted(os.listdir('/dev/bus/usb/001')))"


def on_machine(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    script = f"{MACHINE}\n{shlex.join(argv)}\nstatus=$?\nls /dev/bus/usb/001 >outside\nexit $status"
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], cwd=folder, capture_output=True, text=True,
        check=False, timeout=30,
    )  # fmt: skip


def test_a_server_sees_its_buses_and_no_other(tmp_path: Path) -> None:
    done = on_machine(tmp_path, *with_buses(["find", "/dev/bus/usb", "-type", "f"], (1, 3)))
    assert sorted(done.stdout.split()) == ["/dev/bus/usb/001/005", "/dev/bus/usb/003/007"], done.stderr


def test_what_is_plugged_in_later_is_the_same_on_both_sides(tmp_path: Path) -> None:
    done = on_machine(tmp_path, *with_buses([sys.executable, "-c", LATER], (1,)))
    assert done.stdout == "['005', '099']\n", done.stderr
    assert (tmp_path / "outside").read_text().split() == ["005", "099"]


def test_a_bus_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = on_machine(tmp_path, *with_buses(["true"], (1, 9)))
    assert done.returncode == 78 and "no USB bus 009 here" in done.stderr


def servers(folder: Path, text: str) -> list[Child]:
    config = folder / "ottb.toml"
    config.write_text(f"[sandbox]\nenabled = false\n{text}")
    return adb_servers(load(config=config, environment={}), folder)


def test_servers_for_the_network_take_no_phone_on_usb(tmp_path: Path) -> None:
    first, second = servers(tmp_path, "[adb]\nservers = 2\n")
    assert (first.name, second.name) == ("adb", "adb-2")
    assert (first.env["ADB_USB"], second.env["ADB_USB"]) == ("1", "0")
    assert "localfilesystem:server-2.sock" in second.argv and "unshare" not in {*first.argv, *second.argv}


@pytest.mark.parametrize(("at", "buses"), [(0, ["001", "002"]), (1, ["003"])])
def test_each_server_of_buses_is_started_with_them(tmp_path: Path, at: int, buses: list[str]) -> None:
    child = servers(tmp_path, "[adb]\nusb = [[1, 2], [3]]\n")[at]
    argv = [*child.argv]
    assert argv[0] == "unshare" and argv[argv.index("sh", 7) + 1 : argv.index("--", 8)] == buses
    assert child.env["ADB_USB"] == "1" and child.env["ADB_LIBUSB"] == "0"
