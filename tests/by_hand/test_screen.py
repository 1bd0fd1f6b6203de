"""Pictures, taps and logs of a phone, as its host is asked: one picture for all, none that nobody asks for."""

import asyncio
import io
import itertools
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from PIL import Image

from actors.adapters.phone_screen import PhoneScreen
from actors.adapters.pictures import as_jpeg
from actors.by_hand.hands import Hands
from actors.by_hand.places import Place
from actors.by_hand.screen import EACH
from actors.runtime.context import Context
from actors.runtime.wire import ask
from actors.script.tree import Tree
from actors.slot.phone import PhoneUnreachable
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.slot import (
    CONFIGURE_SLOT,
    END_RESERVATION,
    GET_SLOT,
    RESERVE_SLOT,
    ConfigureSlot,
    EndReservation,
    GetSlot,
    ReserveSlot,
)
from bus_schemas.slot_files import FOLLOW_LOGCAT, NEXT_PIECE, FollowLogcat, LogcatLines, NextPiece
from bus_schemas.slot_screen import (
    START_RECORDING,
    STOP_RECORDING,
    TAKE_SCREENSHOT,
    TAP_SCREEN,
    TYPE_ON_SCREEN,
    WATCH_SCREEN,
    StartRecording,
    StopRecording,
    TakeScreenshot,
    TapScreen,
    Touched,
    TypeOnScreen,
    WatchScreen,
)
from simulators.phone.result import Result
from simulators.phone.screens import commands
from tests.by_hand.conftest import EVERYTHING, ByHandHost
from tests.by_hand.test_files import refused
from tests.support.site import PATIENCE, until


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each picture that a phone is asked for."""
    asked, draw = list[str](), commands.COMMANDS["screencap"]

    def screencap(screens: Any, args: list[str], files: dict[str, bytes]) -> Result:
        asked.append(" ".join(args))
        return draw(screens, args, files)

    monkeypatch.setitem(commands.COMMANDS, "screencap", screencap)  # type: ignore[arg-type]
    return asked


async def frame(host: ByHandHost, stream: str, number: int, user: str) -> bytes:
    return (await host.ask(NEXT_PIECE, NextPiece(slot=44, stream=stream, number=number), user)).data


async def test_one_picture_is_taken_for_all_who_watch(host: ByHandHost, taken: list[str]) -> None:
    users = [f"u{number}" for number in range(8)]
    streams = [(await host.ask(WATCH_SCREEN, WatchScreen(slot=44, fps=1), user)).stream for user in users]
    assert not taken  # nobody has asked for one yet
    both = [list(zip(users, streams, strict=True))] * 2
    for number, watching in enumerate(both):
        pictures = await asyncio.gather(*(frame(host, stream, number, user) for user, stream in watching))
        assert all(Image.open(io.BytesIO(one)).format == "JPEG" for one in pictures) and len({*pictures}) == 1
    assert len(taken) == 2
    await asyncio.sleep(1.5)
    assert len(taken) == 2  # nobody asks any more


async def test_nobody_sees_what_a_slots_former_holder_saw(host: ByHandHost, taken: list[str]) -> None:
    async def given_to(user: str) -> None:
        await host.ask(CONFIGURE_SLOT, ConfigureSlot(slot=44, serial=host.phone.serial, region="UA", user=user))
        await until(lambda: host.ask(GET_SLOT, GetSlot(slot=44)), lambda slot: slot.status == "ONLINE")

    for count, user in enumerate(("op12", "op34"), 1):
        await given_to(user)
        stream = (await host.ask(WATCH_SCREEN, WatchScreen(slot=44, fps=0.2), user)).stream
        await frame(host, stream, 0, user)
        assert len(taken) == count


async def test_a_watched_slot_that_is_somebody_elses_by_now_is_not_seen(host: ByHandHost) -> None:
    stream = (await host.ask(WATCH_SCREEN, WatchScreen(slot=44), "op12")).stream
    await host.phone.unplug()
    with pytest.raises(Refusal):
        for number in range(20):
            await frame(host, stream, number, "op12")


def test_a_picture_that_is_none_or_far_too_large_is_refused() -> None:
    for data in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(100)):
        with pytest.raises(PhoneUnreachable):
            as_jpeg(data, 80, None)
    made = io.BytesIO()
    Image.new("1", (40_000, 1_000)).save(made, "PNG")
    with pytest.raises(PhoneUnreachable, match="40000 x 1000"):
        as_jpeg(made.getvalue(), 80, None)


@pytest.mark.parametrize("size", [(1, 29_000_000), (29_000_000, 1), (10_001, 10)])
def test_a_picture_that_is_long_and_thin_is_refused(size: tuple[int, int]) -> None:
    made = io.BytesIO()
    Image.new("1", size).save(made, "PNG")
    for width in (None, 480):
        with pytest.raises(PhoneUnreachable, match="a screen of"):
            as_jpeg(made.getvalue(), 80, width)


def test_a_picture_that_is_damaged_is_one_or_none() -> None:
    made, chance = io.BytesIO(), Random(1)
    Image.effect_noise((30, 40), 200).convert("P").save(made, "PNG", transparency=1)
    for _ in range(500):
        data = bytearray(made.getvalue())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(8, len(data) if chance.random() < 0.5 else 60)] = chance.randrange(256)
        with suppress(PhoneUnreachable):
            assert as_jpeg(bytes(data[: chance.randint(9, len(data))]), 80, 20)


def test_a_picture_for_one_message_of_the_bus_is_small_enough() -> None:
    made = io.BytesIO()
    Image.effect_noise((1080, 2400), 200).convert("RGB").save(made, "PNG")
    large, small = as_jpeg(made.getvalue(), 80, 1080), as_jpeg(made.getvalue(), 80, 1080, 400 * 1024)
    assert len(large) > 400 * 1024 > len(small)


async def shown(host: ByHandHost, **wanted: Any) -> Image.Image:
    """The picture that somebody is given."""
    opened = await host.ask(TAKE_SCREENSHOT, TakeScreenshot(slot=44, **wanted))
    data, end = b"", False
    for number in itertools.count():
        piece = await host.ask(NEXT_PIECE, NextPiece(slot=44, stream=opened.stream, number=number))
        data, end = data + piece.data, piece.end
        if end:
            break
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format", ["png", "jpeg"])
async def test_a_picture_is_as_wide_as_was_asked(host: ByHandHost, format: str) -> None:
    whole, small = await shown(host, format=format), await shown(host, format=format, width=240)
    assert (whole.format or "").lower() == (small.format or "").lower() == format
    assert small.width == 240 and abs(small.height - 240 * whole.height / whole.width) <= 1
    assert (await shown(host, format=format, width=2000)).size == whole.size  # none is made larger


async def test_one_user_has_so_many_pictures_under_way_and_others_theirs(host: ByHandHost) -> None:
    asked = [asyncio.create_task(host.ask(TAKE_SCREENSHOT, TakeScreenshot(slot=44), "op12")) for _ in range(EACH + 3)]
    other = await host.ask(TAKE_SCREENSHOT, TakeScreenshot(slot=44), "op21")
    done = await asyncio.gather(*asked, return_exceptions=True)
    refusals = [one for one in done if isinstance(one, Refusal)]
    assert [(one.code, one.details["rule"]) for one in refusals] == [(ErrorCode.RATE_LIMITED, "screenshots")] * 3
    assert other.size and (await host.ask(TAKE_SCREENSHOT, TakeScreenshot(slot=44), "op12")).size


async def test_a_nul_is_no_text(host: ByHandHost) -> None:
    with refused(ErrorCode.INVALID_PARAMS):
        await host.ask(TYPE_ON_SCREEN, TypeOnScreen(slot=44, text="a\0b"))


@pytest.mark.parametrize("line", ["tap", "picture"])
async def test_what_nobody_foresaw_of_a_screen_is_an_answer(
    host: ByHandHost, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*given: object) -> Any:
        raise RuntimeError("out of a phone")

    monkeypatch.setattr(PhoneScreen, "carry_out", breaks)
    monkeypatch.setattr(PhoneScreen, "picture", breaks)
    work = shown(host) if line == "picture" else host.ask(TAP_SCREEN, TapScreen(slot=44, x=10, y=10))
    with pytest.raises(Refusal, match="RuntimeError") as told:
        await work
    assert told.value.code in (ErrorCode.CONFLICT, ErrorCode.SLOT_OFFLINE)


async def test_two_taps_do_not_cross(host: ByHandHost) -> None:
    tap = TapScreen(slot=44, x=10, y=10)
    done = await asyncio.gather(*(host.ask(TAP_SCREEN, tap, user) for user in ("a", "b", "c")))
    assert [one.status for one in done] == ["done"] * 3


async def test_a_repeat_of_a_command_touches_nothing_again(host: ByHandHost) -> None:
    await host.ask(START_RECORDING, StartRecording(slot=44))
    context = Context(command_id="k_1", user="op12", actions=EVERYTHING)
    tap = TapScreen(slot=44, x=10, y=10)
    first, again = await ask(host.bus, TAP_SCREEN, tap, context), await ask(host.bus, TAP_SCREEN, tap, context)
    assert first == again and first.recorded == 1
    assert (await host.ask(STOP_RECORDING, StopRecording(slot=44))).steps == 1


async def test_what_may_have_been_touched_before_is_touched_no_more(host: ByHandHost) -> None:
    """The host that had the slot then has died, and nobody knows how far it came."""
    await host.ask(START_RECORDING, StartRecording(slot=44))
    again = Context(command_id="k_1", user="op12", actions=EVERYTHING, again=True)
    with refused(ErrorCode.TIMEOUT):
        await ask(host.bus, TAP_SCREEN, TapScreen(slot=44, x=10, y=10), again)
    assert (await host.ask(STOP_RECORDING, StopRecording(slot=44))).steps == 0


async def test_what_this_host_has_refused_before_is_touched_once_it_may_be(host: ByHandHost) -> None:
    await host.ask(RESERVE_SLOT, ReserveSlot(slot=44), "b")
    context, tap = Context(command_id="k_1", user="op12", actions=EVERYTHING), TapScreen(slot=44, x=10, y=10)
    with refused(ErrorCode.SLOT_BUSY):
        await ask(host.bus, TAP_SCREEN, tap, context)
    await host.ask(END_RESERVATION, EndReservation(slot=44), "b")
    assert (await ask(host.bus, TAP_SCREEN, tap, replace(context, again=True))).status == "done"


async def test_of_two_repeats_at_once_one_is_done(host: ByHandHost) -> None:
    await host.ask(START_RECORDING, StartRecording(slot=44))
    context = Context(command_id="k_1", user="op12", actions=EVERYTHING)
    asked = [ask(host.bus, TAP_SCREEN, TapScreen(slot=44, x=10, y=10), context) for _ in range(2)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(one, Touched) for one in done] == [True, False], done
    assert (await host.ask(STOP_RECORDING, StopRecording(slot=44))).steps == 1


async def test_a_slot_that_is_somebody_elses_by_then_is_not_tapped(
    host: ByHandHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Hands._screen

    async def reserved_meanwhile(hands: Hands, place: Place) -> Tree:
        tree = await read(hands, place)
        await host.ask(RESERVE_SLOT, ReserveSlot(slot=44), "b")
        return tree

    monkeypatch.setattr(Hands, "_screen", reserved_meanwhile)
    with refused(ErrorCode.SLOT_BUSY):
        await host.ask(TAP_SCREEN, TapScreen(slot=44, x=10, y=10), "a")
    assert (await host.ask(TAP_SCREEN, TapScreen(slot=44, x=10, y=10), "b")).status == "done"


async def test_a_recording_is_of_one_user(host: ByHandHost) -> None:
    await host.ask(START_RECORDING, StartRecording(slot=44), "a")
    with refused(ErrorCode.SLOT_BUSY):
        await host.ask(START_RECORDING, StartRecording(slot=44), "b")
    assert (await host.ask(TAP_SCREEN, TapScreen(slot=44, x=10, y=10), "b")).recorded is None
    assert (await host.ask(TAP_SCREEN, TapScreen(slot=44, x=10, y=10), "a")).recorded == 1
    with refused(ErrorCode.NOT_FOUND):
        await host.ask(STOP_RECORDING, StopRecording(slot=44), "b", EVERYTHING - {"slot.reserve_any"})
    assert (await host.ask(STOP_RECORDING, StopRecording(slot=44), "a")).steps == 1


async def test_a_recording_left_behind_keeps_nobody_from_recording(host: ByHandHost) -> None:
    await host.ask(START_RECORDING, StartRecording(slot=44), "gone")
    await host.ask(TAP_SCREEN, TapScreen(slot=44, x=10, y=10), "gone")
    ended = await host.ask(STOP_RECORDING, StopRecording(slot=44), "admin")
    assert (ended.status, ended.steps, ended.script) == ("ended", 1, None)  # what was typed is not theirs to read
    await host.ask(START_RECORDING, StartRecording(slot=44), "gone")
    await host.ask(RESERVE_SLOT, ReserveSlot(slot=44), "b")
    assert (await host.ask(START_RECORDING, StartRecording(slot=44), "b")).steps == 0
    with refused(ErrorCode.NOT_FOUND):
        await host.ask(STOP_RECORDING, StopRecording(slot=44), "gone", EVERYTHING - {"slot.reserve_any"})


async def lines(host: ByHandHost, stream: str, number: int) -> LogcatLines:
    piece = await host.ask(NEXT_PIECE, NextPiece(slot=44, stream=stream, number=number))
    return msgspec.json.decode(piece.data, type=LogcatLines)


async def test_a_log_is_harmless_and_narrowed_and_all_of_it_accounted_for(host: ByHandHost) -> None:
    wanted = FollowLogcat(slot=44, buffer="main", text="odd")
    before = len(host.phone._logcat._readers)  # the host's own
    stream = (await host.ask(FOLLOW_LOGCAT, wanted)).stream
    waiting = asyncio.ensure_future(lines(host, stream, 0))
    await until(lambda: asyncio.sleep(0, len(host.phone._logcat._readers)), lambda many: many > before)
    host.phone._logcat.add(("main", "I Other: nothing"))
    host.phone._logcat.add(("main", "I App: ODD \x1b[31m\x07 event: end\r data: \u202e" + "x" * 5_000))
    found, number = await waiting, 1
    while not found.lines:  # they had not come yet
        found, number = await lines(host, stream, number), number + 1
    [line] = found.lines
    assert line.startswith("I App: ODD \u241b[31m\u2407 event: end\u240d data: ") and len(line) == 2_000
    for each in range(900):
        host.phone._logcat.add(("main", f"I App: odd {each}"))
    seen, left_out = 0, 0
    async with asyncio.timeout(PATIENCE):
        while seen + left_out < 900:
            found = await lines(host, stream, number)
            seen, left_out, number = seen + len(found.lines), left_out + found.left_out, number + 1
    assert seen + left_out == 900
