"""`uiautomator dump` of a virtual phone, with everything that goes wrong with it on real ones."""

from simulators.phone.result import Result
from simulators.phone.screens.node import to_xml
from simulators.phone.screens.screens import Screens

DEFAULT = "/sdcard/window_dump.xml"
OTHER = "/storage/emulated/legacy/window_dump.xml"
TERMINAL = "/dev/tty"
NOT_IDLE = b"ERROR: could not get idle state.\n"
NO_ROOT = b"ERROR: null root node returned by UiTestAutomationBridge.\n"
KILLED = 128 + 9
TAKEN = (
    b"java.lang.IllegalStateException: UiAutomationService "
    b"android.accessibilityservice.IAccessibilityServiceClient$Stub$Proxy@5deffd5already registered!\nKilled\n"
)


def dump(screens: Screens, args: list[str], files: dict[str, bytes]) -> Result:
    """Write what the window with the focus shows into one of `files`, or to the terminal."""
    if args[:1] != ["dump"]:
        return Result(b"Usage: uiautomator <subcommand> [options]\n", code=1)
    words = [word for word in args[1:] if not word.startswith("--")]
    compressed, path = "--compressed" in args, words[0] if words else DEFAULT
    if screens.readers:
        return Result(err=TAKEN, code=KILLED)
    screens.settle()
    trouble, chance = screens.troubles, screens.chance.random
    ticks = screens.ticking and not compressed and chance() < trouble.ticking
    if screens.moving or ticks or chance() < trouble.not_idle:
        return Result(NOT_IDLE, delay=trouble.gives_up)
    window = screens.active()
    if window is None or chance() < trouble.no_root:
        return Result(NO_ROOT)
    if chance() < trouble.crash:
        if path in files and chance() < 0.5:
            files[path] = b""
        return Result(code=KILLED)
    if chance() < trouble.elsewhere:
        path = OTHER
    xml = to_xml(window.root, window.package, screens.rotation, compressed=compressed).encode()
    told = f"UI hierchary dumped to: {path}\n".encode()
    if path == TERMINAL:
        return Result(xml + told)  # in one line, as it is on a phone
    files[path] = xml
    return Result(told)
