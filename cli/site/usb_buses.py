"""A program that sees some USB buses and no other: how several adb servers share a machine's phones.

An adb server opens whatever is in /dev/bus/usb (AOSP `client/usb_linux.cpp`, which `ADB_LIBUSB=0` chooses) and keeps
what it has opened from all others. Here it gets a mount namespace of its own in which that folder has its buses alone.
What is plugged in later appears there, as it is the kernel's own folder that is mounted. It takes no right but that of
users to have namespaces.
"""

from collections.abc import Iterable, Sequence

_SCRIPT = """\
set -e
usb=/dev/bus/usb
mkdir -p buses && mount --bind "$usb" buses && mount -t tmpfs none "$usb"
while [ "$1" != -- ]; do
    [ -d "buses/$1" ] || { echo "there is no USB bus $1 here: [adb] usb has it" >&2; exit 78; }
    mkdir "$usb/$1" && mount --bind "buses/$1" "$usb/$1"
    shift
done
shift
umount buses
exec setpriv --pdeathsig TERM -- "$@"
"""


def with_buses(argv: Sequence[str], buses: Iterable[int]) -> list[str]:
    """The command so that it sees these buses alone; it leaves an empty folder `buses` where it is run. Another exit
    code than the command's own: 78 (EX_CONFIG) where a bus is not there, 1 where users may have no namespaces."""
    names = [f"{bus:03}" for bus in buses]
    return ["unshare", "--map-root-user", "--mount", "--", "sh", "-c", _SCRIPT, "sh", *names, "--", *argv]
