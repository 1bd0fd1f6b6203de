"""Files to a phone and from it, as its host is asked: links, what breaks off, what is too much, who works there."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from actors.adapters.phone_files import AdbTools
from actors.by_hand import paths
from actors.by_hand.files import APPS_FOLDER, PROGRAMS
from actors.by_hand.settings import ByHand
from actors.slot.phone import ShellResult
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import RESERVE_SLOT, ReserveSlot
from bus_schemas.slot_files import (
    END_STREAM,
    INSTALL_APP,
    NEXT_PIECE,
    OPEN_PUSH,
    PIECE,
    PULL_FILE,
    PUSH_FILE,
    PUT_PIECE,
    UNINSTALL_APP,
    EndStream,
    InstallApp,
    NextPiece,
    OpenPush,
    PullFile,
    PushFile,
    PutPiece,
    SentFile,
    UninstallApp,
)
from bus_schemas.slot_screen import PRESS_KEY, TYPE_ON_SCREEN, PhoneKey, PressKeyOnScreen, TypeOnScreen
from tests.by_hand.conftest import ByHandHost

HERE = "/sdcard"
TMP = "/data/local/tmp"  # which the host of these tests names as a folder, too


def refused(code: ErrorCode) -> Any:
    return pytest.raises(Refusal, check=lambda one: one.code is code)


def of(stream: str, content: bytes) -> SentFile:
    return SentFile(key=stream, size=len(content), pieces=1, digest=hashlib.sha256(content).hexdigest())


async def sent(host: ByHandHost, path: str | None, content: bytes) -> SentFile:
    """A file as far as the host, which has not put it in its place yet."""
    opened = await host.ask(OPEN_PUSH, OpenPush(slot=44, path=path, size=len(content)))
    for number, start in enumerate(range(0, len(content), PIECE)):
        piece = content[start : start + PIECE]
        await host.ask(PUT_PIECE, PutPiece(slot=44, stream=opened.stream, number=number, data=piece))
    return of(opened.stream, content)


async def pulled(host: ByHandHost, path: str) -> bytes:
    opened, parts, end = await host.ask(PULL_FILE, PullFile(slot=44, path=path)), list[bytes](), False
    while not end:
        piece = await host.ask(NEXT_PIECE, NextPiece(slot=44, stream=opened.stream, number=len(parts)))
        parts.append(piece.data)
        end = piece.end
    return b"".join(parts)


def left_over(host: ByHandHost) -> list[str]:
    return [path for path in host.phone.android.files if ".ottb-" in path]


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 900_000])
async def test_a_file_goes_and_comes_back(host: ByHandHost, size: int) -> None:
    content, path = os.urandom(size), "/sdcard/Download/it's a \"list\" $(id) ф.csv"
    await host.ask(PUSH_FILE, PushFile(slot=44, path=path, file=await sent(host, path, content)))
    assert host.phone.android.files[path] == content and not left_over(host)
    assert await pulled(host, path) == content


async def test_no_links_lead_out_of_the_folders(host: ByHandHost) -> None:
    android = host.phone.android
    android.files["/data/system/secret"] = b"secret"
    android.files["/sdcard/Download/own"] = android.files[f"{TMP}/other"] = b"own"
    android.links = {"/sdcard/out": "/data/system", "/sdcard/file": "/data/system/secret", "/sdcard/in": "Download",
                     "/sdcard/up": "../../data/system", "/sdcard/round": "/sdcard/round",
                     "/sdcard/tmp": TMP}  # fmt: skip
    for path in ("/sdcard/out/secret", "/sdcard/file", "/sdcard/up/secret", "/sdcard/tmp/other"):
        with refused(ErrorCode.INVALID_PARAMS):
            await pulled(host, path)
        with refused(ErrorCode.INVALID_PARAMS):
            await sent(host, path, b"x")
    with refused(ErrorCode.NOT_FOUND):
        await pulled(host, "/sdcard/round/x")
    assert await pulled(host, "/sdcard/in/own") == b"own"
    assert android.files["/data/system/secret"] == b"secret"


@pytest.mark.parametrize("name", ["u2.jar", "x", "ottb-order"])
async def test_no_file_is_put_to_where_programs_are_run_from(host: ByHandHost, name: str) -> None:
    android, path = host.phone.android, f"{TMP}/{name}"
    android.files[path] = b"old"
    for there in (path, f"{TMP}/new"):
        with refused(ErrorCode.INVALID_PARAMS):
            await sent(host, there, b"x")
    assert android.files[path] == b"old" and f"{TMP}/new" not in android.files and not left_over(host)
    assert await pulled(host, path) == b"old"


async def test_nor_by_a_folder_that_becomes_a_link(host: ByHandHost) -> None:
    path = f"{TMP}/u2.jar"
    host.phone.android.links = {TMP: "/sdcard"}
    with refused(ErrorCode.INVALID_PARAMS):
        await sent(host, path, b"x")
    assert "/sdcard/u2.jar" not in host.phone.android.files


def test_the_folders_hold_nothing_that_is_run() -> None:
    assert not [one for one in ByHand().folders if paths.within(f"{one}/x", (*PROGRAMS, APPS_FOLDER))]


async def test_a_link_that_comes_while_a_file_is_sent_leads_nowhere(host: ByHandHost) -> None:
    path = "/sdcard/Download/x"
    file = await sent(host, path, b"x")
    host.phone.android.files["/data/system/other"] = b""
    host.phone.android.links = {"/sdcard/Download": "/data/system"}
    with refused(ErrorCode.INVALID_PARAMS):
        await host.ask(PUSH_FILE, PushFile(slot=44, path=path, file=file))
    assert "/data/system/x" not in host.phone.android.files


async def test_what_is_not_whole_changes_nothing(host: ByHandHost) -> None:
    path, android = f"{HERE}/list", host.phone.android
    android.files[path] = b"old"
    file = await sent(host, path, b"new and more")
    with refused(ErrorCode.CONFLICT):
        await host.ask(PUSH_FILE, PushFile(slot=44, path=path, file=of(file.key, b"new")))
    file = await sent(host, path, b"new")
    await host.ask(END_STREAM, EndStream(slot=44, stream=file.key))
    with refused(ErrorCode.NOT_FOUND):
        await host.ask(PUSH_FILE, PushFile(slot=44, path=path, file=file))
    file = await sent(host, path, b"new")
    with refused(ErrorCode.NOT_FOUND):  # it was sent for another place
        await host.ask(PUSH_FILE, PushFile(slot=44, path=f"{HERE}/other", file=file))
    assert android.files[path] == b"old" and f"{HERE}/other" not in android.files


async def test_what_is_too_large_is_not_taken(host: ByHandHost) -> None:
    host.phone.android.files[f"{HERE}/big"] = bytes(1_000_001)
    with refused(ErrorCode.PAYLOAD_TOO_LARGE):
        await pulled(host, f"{HERE}/big")
    with refused(ErrorCode.PAYLOAD_TOO_LARGE):
        await host.ask(OPEN_PUSH, OpenPush(slot=44, path=f"{HERE}/x", size=1_000_001))
    with refused(ErrorCode.PAYLOAD_TOO_LARGE):
        await too_much(host)
    assert f"{HERE}/x" not in host.phone.android.files


async def too_much(host: ByHandHost) -> None:
    """More than was said."""
    opened = await host.ask(OPEN_PUSH, OpenPush(slot=44, path=f"{HERE}/x", size=0))
    for number in range(5):
        await host.ask(PUT_PIECE, PutPiece(slot=44, stream=opened.stream, number=number, data=bytes(PIECE)))


async def test_folders_and_links_are_no_files(host: ByHandHost) -> None:
    host.phone.android.links = {f"{HERE}/link": "/sdcard/x"}
    with refused(ErrorCode.INVALID_PARAMS):
        await pulled(host, "/sdcard/Download")
    for path in ("/sdcard/Download", f"{HERE}/link"):
        with refused(ErrorCode.INVALID_PARAMS):
            await sent(host, path, b"x")
    with refused(ErrorCode.NOT_FOUND):
        await sent(host, "/sdcard/no folder/x", b"x")


async def test_a_file_of_an_app_does_not_stay(host: ByHandHost) -> None:
    apk = b"PK\x03\x04 package=org.example.app\n"
    done = await host.ask(INSTALL_APP, InstallApp(slot=44, file=await sent(host, None, apk)))
    assert (done.status, done.said) == ("installed", "Success") and not left_over(host)
    with refused(ErrorCode.CONFLICT):
        await host.ask(INSTALL_APP, InstallApp(slot=44, file=await sent(host, None, b"no app")))
    assert not left_over(host) and list(host.phone.android.installed) == ["org.example.app"]
    await host.ask(UNINSTALL_APP, UninstallApp(slot=44, package="org.example.app"))
    assert not host.phone.android.installed


async def test_each_line_asks_for_its_own_right(host: ByHandHost) -> None:
    for path, action in ((f"{HERE}/x", "slot.apps"), (None, "slot.push")):
        with refused(ErrorCode.PERMISSION_DENIED):
            await host.ask(OPEN_PUSH, OpenPush(slot=44, path=path, size=1), actions=frozenset({action}))


async def test_what_changes_a_phone_is_busy_for_others(host: ByHandHost) -> None:
    await host.ask(RESERVE_SLOT, ReserveSlot(slot=44, minutes=5), user="op34")
    for work in (
        lambda: sent(host, f"{HERE}/x", b"x"),
        lambda: host.ask(UNINSTALL_APP, UninstallApp(slot=44, package="a.b")),
        lambda: host.ask(PRESS_KEY, PressKeyOnScreen(slot=44, key=PhoneKey.HOME)),
        lambda: host.ask(TYPE_ON_SCREEN, TypeOnScreen(slot=44, text="x")),
    ):  # fmt: skip
        with pytest.raises(Refusal) as busy:
            await work()
        assert (busy.value.code, busy.value.details) == (ErrorCode.SLOT_BUSY, {"slot": 44, "held_by": "reservation"})
    await host.ask(PRESS_KEY, PressKeyOnScreen(slot=44, key=PhoneKey.HOME), user="op34")


async def test_a_phone_that_is_away_is_offline(host: ByHandHost) -> None:
    host.phone.android.files["/sdcard/x"] = os.urandom(900_000)
    opened = await host.ask(PULL_FILE, PullFile(slot=44, path="/sdcard/x"))
    await host.phone.unplug()
    with pytest.raises(Refusal) as gone:
        for number in range(10):
            await host.ask(NEXT_PIECE, NextPiece(slot=44, stream=opened.stream, number=number))
    assert gone.value.code in (ErrorCode.SLOT_OFFLINE, ErrorCode.NOT_FOUND)


@pytest.fixture
def reserved_meanwhile(host: ByHandHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot gets somebody else's while the phone is asked about files and apps."""

    async def reserved(tools: AdbTools, words: Sequence[str], **given: Any) -> ShellResult:
        done = await run(tools, words, **given)
        if words[0] == "readlink" or words[:2] == ("pm", "path"):
            with suppress(Refusal):  # op34's own by now
                await host.ask(RESERVE_SLOT, ReserveSlot(slot=44, minutes=5), user="op34")
        return done

    run = AdbTools.run
    monkeypatch.setattr(AdbTools, "run", reserved)


@pytest.mark.usefixtures("reserved_meanwhile")
async def test_a_slot_that_is_somebody_elses_by_then_gets_no_file(host: ByHandHost) -> None:
    with refused(ErrorCode.SLOT_BUSY):
        await host.ask(OPEN_PUSH, OpenPush(slot=44, path=f"{HERE}/x", size=1))
    assert f"{HERE}/x" not in host.phone.android.files and not left_over(host)


async def test_nor_does_a_file_get_its_name(host: ByHandHost, request: pytest.FixtureRequest) -> None:
    file = await sent(host, f"{HERE}/x", b"x")
    request.getfixturevalue("reserved_meanwhile")
    with refused(ErrorCode.SLOT_BUSY):
        await host.ask(PUSH_FILE, PushFile(slot=44, path=f"{HERE}/x", file=file))
    assert f"{HERE}/x" not in host.phone.android.files and not left_over(host)


@pytest.mark.usefixtures("reserved_meanwhile")
async def test_nor_is_an_app_removed(host: ByHandHost) -> None:
    host.phone.android.installed["a.b"] = b""
    with refused(ErrorCode.SLOT_BUSY):
        await host.ask(UNINSTALL_APP, UninstallApp(slot=44, package="a.b"))
    assert "a.b" in host.phone.android.installed


async def test_an_app_of_the_phone_itself_stays(host: ByHandHost) -> None:
    with pytest.raises(Refusal, match="DELETE_FAILED_INTERNAL_ERROR"):
        await host.ask(UNINSTALL_APP, UninstallApp(slot=44, package="com.android.settings"))


async def test_a_folder_that_is_not_there_is_named(host: ByHandHost) -> None:
    with pytest.raises(Refusal, match="no such folder"):
        await host.ask(OPEN_PUSH, OpenPush(slot=44, path=f"{HERE}/nowhere/x", size=1))
