"""What is said to a phone's shell about its screen, and what its answers mean. Pure."""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from actors.script.quoting import line
from actors.slot.phone import ShellResult

FOLDER = "/data/local/tmp"
CALLING = frozenset({5, 79, 219, 231})  # keys that call, or ask a voice to
BACK, MOVE_END, DELETE, PASTE = "4", "123", "67", "279"
KEYBOARD_SHOWN = re.compile(r"\bmInputShown=true\b")
DELETES = 400  # keys of one command
CODE = re.compile(r"[*#][0-9*#]{1,60}#\Z")
KILLED = range(129, 160)  # by a signal, in the middle of it

_CURRENT = re.compile(r"\bcur=([0-9]{2,5})x([0-9]{2,5})\b")
_SIZE = re.compile(r"(Override|Physical) size: *([0-9]{2,5})x([0-9]{2,5})")
_ERROR = re.compile(r"^(?:\*\* )?(?:Error|Exception|No activities found|java\.lang\.|Security exception).*", re.M)
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"


class Failed(Struct, frozen=True):
    """The phone did not do it; `maybe`: or it was interrupted."""

    why: str
    maybe: bool = False


def dump_line(path: str, mark: str, *, compressed: bool) -> str:
    """Reads the screen into a new file, and prints what was said, the mark, and the file. Older files are removed:
    those of a line that was cut off."""
    how = "--compressed " if compressed else ""
    return (
        f"rm -f {FOLDER}/ottb-screen-*; uiautomator dump {how}{path} 2>&1; echo; echo {mark}; cat {path}; rm -f {path}"
    )


def size_line() -> str:
    """Asks for the screen's size as it is turned, and as it was made."""
    return "dumpsys window displays; wm size"


def parse_size(text: str) -> tuple[int, int] | None:
    """Width and height. Phones that do not say how they are turned say their size upright."""
    if match := _CURRENT.search(text):
        return int(match[1]), int(match[2])
    sizes = {match[1]: (int(match[2]), int(match[3])) for match in _SIZE.finditer(text)}
    return sizes.get("Override") or sizes.get("Physical")


def launch_line(app: str, *, fresh: bool) -> str:
    """Opens an app as its icon does. `am start` would need the name of its activity, which `monkey` finds; phones
    without keys of their own refuse it unless it is told to press none."""
    end = f"{line(('am', 'force-stop', app))} && " if fresh else ""
    return end + line(
        ("monkey", "-p", app, "-c", "android.intent.category.LAUNCHER", "--pct-syskeys", "0", "1")
    )


def clear_lines(x: int, y: int, signs: int) -> list[str]:
    """Taps a field, goes to the end of what is in it, and deletes so many signs."""
    keys = [MOVE_END, *[DELETE] * signs]
    pieces = [keys[at : at + DELETES] for at in range(0, len(keys), DELETES)]
    return [line(("input", "tap", str(x), str(y))), *(line(("input", "keyevent", *piece)) for piece in pieces)]


def joined(lines: Iterable[str]) -> str:
    """One after the other, up to the first that fails."""
    return " && ".join(lines)


def failed(result: ShellResult, *, silent: bool = False) -> Failed | None:
    """What went wrong. None: nothing that shows. `silent`: what it printed may be a secret."""
    complaint = _ERROR.search(result.output)
    if result.exit_code == 0 and complaint is None:
        return None
    said = complaint[0] if complaint is not None else result.output.strip().rpartition("\n")[2]
    why = "" if silent else f": {said[:200]}" if said else ""
    return Failed(f"the phone did not do it (code {result.exit_code}){why}", maybe=result.exit_code in KILLED)


def refused(result: ShellResult) -> Failed | None:
    """Of a command that prints what it likes: only how it ended counts."""
    if result.exit_code == 0:
        return None
    said = result.output.strip()[-200:]
    return Failed(f"code {result.exit_code}{f': {said}' if said else ''}", maybe=result.exit_code in KILLED)


def whole_picture(data: bytes) -> bytes | None:
    """The PNG in what `screencap` printed; phones with two screens put a warning before it. None: it is not whole."""
    start = data.find(_PNG)
    end = data.rfind(_PNG_END)
    return data[start : end + len(_PNG_END)] if 0 <= start < end else None


def words_of(*words: object) -> str:
    """A command of these words."""
    said: Sequence[str] = [str(word) for word in words]
    return line(said)
