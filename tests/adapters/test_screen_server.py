"""The server of uiautomator2 on a virtual phone, over the real adb server: the same cases, and where it goes wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import replace
from typing import Any

import pytest

from actors.adapters.adb_phone import AdbPhone
from actors.adapters.screen_server import JAR
from actors.script.effects import Back, Done, Dump, InputText, Looked
from actors.script.selectors import one
from actors.script.tree import Seen
from simulators.phone.android import COMMANDS, Android
from simulators.phone.result import Result
from simulators.phone.screens.screens import Screens
from simulators.phone.virtual_phone import VirtualPhone
from tests.adapters.screen_contract import CHAT, FIELD, ScreenContract, place, seen
from tests.support.site import until

Log = list[MutableMapping[str, Any]]
pytestmark = pytest.mark.parametrize("handset", [11], indirect=True)


@pytest.fixture
async def screens(handset: VirtualPhone) -> Screens:
    handset.android.files[JAR] = b"PK"
    screens = handset.android.screens
    screens.profile = replace(screens.profile, moves=0.0)
    return screens


class TestWithServer(ScreenContract):
    @pytest.fixture
    async def files(self, handset: VirtualPhone) -> dict[str, bytes]:
        return handset.android.files

    @pytest.fixture
    async def dials(self, handset: VirtualPhone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        heard: list[str] = []
        monkeypatch.setattr(handset.android, "dialled", heard.append)
        return heard

    @pytest.fixture(autouse=True)
    async def used(self, handset: VirtualPhone, phone: AdbPhone, screens: Screens) -> AsyncIterator[None]:
        """Every look of a case was the server's."""
        await seen(phone.screen)
        yield
        assert "dumpWindowHierarchy" in handset.android.server.asked and screens.readers == 1

    async def test_a_text_is_pasted_where_nothing_else_types_it(
        self, phone: AdbPhone, screens: Screens, handset: VirtualPhone
    ) -> None:
        await phone.screen.carry_out(CHAT)
        x, y = await place(phone.screen, FIELD)
        assert await phone.screen.carry_out(InputText(text="Привіт 👍🏽\n2", x=x, y=y)) == Done()
        assert screens.front.texts[screens.field] == "Привіт 👍🏽\n2"
        assert await phone.screen.carry_out(InputText(text="ключ", secret=True)) == Done()
        assert screens.front.texts[screens.field].endswith("ключ") and screens.clipboard == ""

    async def test_only_the_window_in_front_is_seen(self, phone: AdbPhone, screens: Screens) -> None:
        screens.ask(screens._surprise())
        tree = await seen(phone.screen)
        assert sum(node.parent == -1 for node in tree.nodes) == 1 and one(FIELD, tree) is None

    async def test_the_server_ends_with_the_connection(
        self, phone: AdbPhone, screens: Screens, handset: VirtualPhone
    ) -> None:
        await phone.close()
        await until(lambda: asyncio.sleep(0, screens.readers), lambda readers: readers == 0)
        screens.readers = 1  # for `used`


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answered(result: object) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    return HEAD % len(body) + body


@pytest.mark.parametrize(
    "fault",
    [
        b"", b"nonsense", HEAD % 500 + b"{}", HEAD % 4 + b"null", HEAD % 3 + b"[1]", b"HTTP/1.1 500 Error\r\n\r\n",
        HEAD % 2 + b"{}", answered(None), answered(7), answered("<hierarchy/>"), answered("<hierarchy><node"),
        answered("<!DOCTYPE a [<!ENTITY b 'c'>]><hierarchy><node/></hierarchy>"), b"x" * 7_000_000,
        HEAD % 10**23 + b"{}", CHUNKED + b"F" * 24 + b"\r\n{}", CHUNKED + b"-1\r\n{}", HEAD % 14 + b'{"result":"\xff"}',
        HEAD % 100_010 + b'{"result":' + b"[" * 100_000,
        HEAD % 1819 + b'{"error":{"code":' + b"[" * 900 + b"]" * 900 + b"}}",
        answered("<hierarchy><node text='\ud800'/>"),
        answered(f"<hierarchy><node text='&#{'9' * 5000};'/></hierarchy>"),
    ],
    ids=range(21),
)  # fmt: skip
async def test_a_server_that_answers_nonsense_is_left(
    phone: AdbPhone, handset: VirtualPhone, screens: Screens, logged: Log, fault: bytes
) -> None:
    await seen(phone.screen)
    handset.android.server.fault = fault
    await until(lambda: phone.screen.carry_out(Dump()), readable)  # the program lets go of the screen as it ends
    assert screens.readers == 0
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == [
        "uiautomator2 does not answer: the screen is read with `uiautomator dump`"
    ]


def readable(back: Back) -> bool:
    return isinstance(back, Looked) and isinstance(back.screen, Seen)


async def test_a_phone_without_the_program_is_not_asked_again_and_again(
    phone: AdbPhone, handset: VirtualPhone, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    del handset.android.files[JAR]
    asked: list[list[str]] = []
    ls = handset.android.ls

    def listed(_: Android, args: list[str], stdin: bytes) -> Result:
        asked.append(args)
        return ls(args, stdin)

    monkeypatch.setitem(COMMANDS, "ls", listed)
    for _ in range(4):
        await seen(phone.screen)
    assert asked == [[JAR]]
    handset.android.files[JAR] = b"PK"
    await handset.drop()  # a phone that comes anew is asked anew
    await until(lambda: phone.screen.carry_out(Dump()), readable)
    await until(lambda: phone.screen.carry_out(Dump()), lambda _: screens.readers == 1)


async def test_a_server_that_others_started_is_used_and_left_running(
    phone: AdbPhone, handset: VirtualPhone, screens: Screens
) -> None:
    screens.readers = 1
    await seen(phone.screen)
    assert handset.android.server.asked and screens.readers == 1
    await phone.close()
    assert screens.readers == 1
