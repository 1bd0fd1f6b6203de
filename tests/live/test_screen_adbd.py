"""A screen through a real adbd and its shell: files, quoting, bytes. What the phone's programs print is made here."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from actors.adapters.adb_phone import AdbPhone
from actors.adapters.phone_typing import HELPER
from actors.script.effects import (
    ClearField,
    Done,
    Dump,
    InputText,
    LaunchApp,
    Looked,
    NotDone,
    OpenLink,
    RunCommand,
    SendUssd,
    TapAt,
)
from actors.script.tree import Crashed, NoRoot, NotIdle, Seen
from tests.adapters.screen_contract import AWKWARD
from tests.live.adbd import real_adbd
from tests.live.test_orders_adbd import on_adbd

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

OWN = "com.android.inputmethod.latin/.LatinIME"
RECORD = """for word in "$0" "$@"; do printf '%s\\0' "$word" >> /screen/ran; done; printf '\\n\\0' >> /screen/ran\n"""
COMMANDS = {
    "uiautomator": """for path in "$@"; do :; done
case $(cat /screen/does) in
  written) cat /screen/tree.xml > "$path"; echo "UI hierchary dumped to: $path";;
  idle) echo "ERROR: could not get idle state.";;
  root) echo "ERROR: null root node returned by UiTestAutomationBridge.";;
  killed) kill -9 $$;;
  else) cat /screen/tree.xml > /screen/else.xml; echo "UI hierchary dumped to: /screen/else.xml";;
esac""",
    "screencap": "cat /screen/picture.png; echo '[Warning] Multiple displays were found' >&2",
    "input": RECORD,
    "am": f"{RECORD}echo 'Starting: Intent'; echo 'Broadcast completed: result=0'",
    "monkey": f"{RECORD}echo 'Events injected: 1'",
    "svc": f"{RECORD}exit 9",
    "settings": "cat /screen/method",
    "ime": f"""{RECORD}[ "$1" = set ] && printf '%s' "$2" > /screen/method; [ "$1" = list ] && echo '{OWN}
{HELPER}'; exit 0""",
    "dumpsys": """[ "$1" = input_method ] && { printf '  mCurMethodId='; cat /screen/method; exit; }
echo '    init=1080x2400 420dpi cur=2400x1080 app=2400x954'""",
    "wm": "echo 'Physical size: 1080x2400'",
}
TEXT = "Привіт & <«світе»> " * 50


@dataclass
class Stub:
    """A phone of scripts. `folder`: where its commands look, and what they were told."""

    folder: Path
    phone: AdbPhone

    def does(self, what: str) -> None:
        """What the next dump comes to."""
        (self.folder / "does").write_text(what)

    def ran(self) -> list[list[str]]:
        """The commands that were run since this was last asked, word by word."""
        record = self.folder / "ran"
        words = record.read_text().split("\0") if record.exists() else []
        record.unlink(missing_ok=True)
        found: list[list[str]] = [[]]
        for word in words[:-1]:
            if word == "\n":
                found.append([])
            else:
                found[-1].append(word.rpartition("/")[2] if not found[-1] else word)
        return [words for words in found[:-1] if words != ["input", "keyevent", "0"]]  # whether it may press keys


def picture() -> bytes:
    """A PNG with bytes that a terminal would change."""
    image = Image.frombytes("RGB", (64, 64), bytes(range(256)) * 48)
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=0)
    assert b"\r\n" in data.getvalue() and b"\x00" in data.getvalue()
    return data.getvalue()


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Stub]:
    async with real_adbd() as (folder, port):
        here = folder / "screen"
        here.mkdir(exist_ok=True)
        (here / "ran").unlink(missing_ok=True)
        escaped = TEXT.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        node = f"<node text='{escaped}' bounds='[0,0][9,9]'/>"
        (here / "tree.xml").write_text(f"<hierarchy rotation='1'>{node}</hierarchy>")
        (here / "picture.png").write_bytes(picture())
        (here / "method").write_text(OWN)
        (folder / "data/local/tmp").mkdir(parents=True, exist_ok=True)
        for name, script in COMMANDS.items():
            (folder / "usr/bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / "usr/bin" / name).chmod(0o755)
        async with on_adbd(tmp_path, port) as phone:
            yield Stub(here, phone)


async def look(stub: Stub, what: str) -> object:
    stub.does(what)
    looked = await stub.phone.screen.carry_out(Dump())
    assert isinstance(looked, Looked)
    return looked.screen


async def test_a_real_shell_reads_a_screen_and_never_an_old_one(stub: Stub) -> None:
    seen = await look(stub, "written")
    assert isinstance(seen, Seen) and seen.tree.nodes[0].text == TEXT and seen.tree.rotation == 1
    assert isinstance(await look(stub, "idle"), NotIdle) and isinstance(await look(stub, "root"), NoRoot)
    assert isinstance(await look(stub, "killed"), Crashed)
    there = await look(stub, "else")
    assert isinstance(there, Seen) and there.tree == seen.tree
    assert list((stub.folder.parent / "data/local/tmp").glob("ottb-screen-*")) == []


async def test_a_picture_comes_through_byte_by_byte(stub: Stub) -> None:
    assert await stub.phone.screen.picture() == picture()
    assert await stub.phone.screen.size() == (2400, 1080)


async def test_what_is_typed_arrives_sign_by_sign(stub: Stub) -> None:
    screen = stub.phone.screen
    assert await screen.carry_out(InputText(text=AWKWARD, x=1, y=2)) == Done()
    tap, *typed = stub.ran()
    assert tap == ["input", "tap", "1", "2"]
    assert "".join(words[2].replace("%s", " ") for words in typed) == AWKWARD
    assert await screen.carry_out(InputText(text="їжак", x=1, y=2, secret=True)) == Done()
    assert ["am", "broadcast", "-a", "ADB_INPUT_B64", "--es", "msg", "0ZfQttCw0Lo="] in stub.ran()
    assert (stub.folder / "method").read_text() == OWN


async def test_each_effect_is_the_command_that_it_is_meant_to_be(stub: Stub) -> None:
    screen, link = stub.phone.screen, "https://a.b/?x='$(reboot)&y=;#"
    for effect in (TapAt(x=3, y=4), ClearField(x=1, y=1, signs=2), LaunchApp(app="a.b"), OpenLink(link=link, app="a.b"),
                   SendUssd(code="*111#")):  # fmt: skip
        assert await screen.carry_out(effect) == Done(), effect
    assert stub.ran() == [
        ["input", "tap", "3", "4"],
        ["input", "tap", "1", "1"],
        ["input", "keyevent", "123", "67", "67"],
        ["monkey", "-p", "a.b", "-c", "android.intent.category.LAUNCHER", "--pct-syskeys", "0", "1"],
        ["am", "start", "-a", "android.intent.action.VIEW", "-d", link, "-p", "a.b"],
        ["am", "start", "-a", "android.intent.action.CALL", "-d", "tel:*111%23"],
    ]
    assert await screen.carry_out(RunCommand(words=("svc", "wifi", "enable"))) == NotDone("code 9")
