"""What a hostile phone answers is read in a time that grows with its length, and breaks nothing."""

import sys
import tracemalloc
from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from actors.adapters import android, android_health, android_orders
from actors.adapters.adb_listing import parse_devices
from actors.adapters.phone_answers import Answers
from actors.adapters.phone_clock import clock_of
from actors.adapters.screen_server import ScreenServer, ServerGone
from actors.call import machine
from actors.runtime.clock import Moment
from actors.slot.hindrance import in_trouble
from actors.slot.phone import ShellResult, Trouble
from actors.slot.record import SlotMemory
from actors.telephony.reports import WORDS, DialFailed
from bus_schemas.call import EndReason
from tests.attacks.test_patterns import grows
from tests.call.test_machine import ATTEMPT, TIMEOUTS
from tests.support.turns import Others

NUMBER = "9" * 5000  # digits; Python makes no number of so many
LOOK = (
    "12:00:00.1 05 1712345678\n99.0 9.0 \n@@\n0000-00\n@@\n{registry}\n@@\n"
    "mCalls:\n{calls}\nmCallAudioManager:\nHistorical Events:\n{past}\n"
)


def look(part: str) -> Callable[[str], object]:
    parts = {"registry": "", "calls": "", "past": ""}
    return lambda text: android.parse_look(LOOK.format(**{**parts, part: text}))


READERS: dict[str, Callable[[str], object]] = {
    "registry": look("registry"),
    "calls": look("calls"),
    "past": look("past"),
    "health": lambda text: android_health.parse_health(text, None),
    "signal": android_health.parse_signal,
    "battery": lambda text: android_health.parse_battery(f"Current Battery Service state:\n{text}"),
    "clock": clock_of,
    "log": android.parse_log_line,
    "radio": android.says_alerting,
    "end": android.end_of,
    "probe": android_orders.read_probe,
    "sim": android_orders.read_sim,
    "dial": lambda text: android_orders.read_dial(text, 0),
    "hang up": lambda text: android_orders.read_hang_up(text, 0),
    "list": lambda text: parse_devices(f"P1 device {text}x\n"),
}
FILLINGS = (
    " ", "\n", "\t", "/", "7", "x", "x ", " x", "x\n", "a:b ", "Phone Id=1\n", "  mCallState=2\n", "Reason: (",
    "Code: (x", "[TC@1, DIALING,\n", "[TC@1, ", "CallTC@1/[", "CallTC@1/[x](MO\n", "  12:00:00.000 - SET_ACTIVE (",
    " - ", "@@input 0 ", "@@end ", "@@busy\n", "TC@1, ACTIVE ", "Error: ", "am: ", "Success", "/ResolverActivity",
    "GET_CURRENT_CALLS ", "RecordEntry TC@1: A", "level=4,", "primary=x,", "primary=x x:m\n", ", mA", "MemTotal: ",
    "mServiceState=0 ", "cpu 1 ", "no permissions ",
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_a_long_answer_is_read_in_no_more_than_its_length_in_time(reader: str) -> None:
    slow = {
        (filling, end): factor
        for filling in FILLINGS
        for end in ("", "x", "@@input 0 @@end")
        if (factor := grows(READERS[reader], "", filling, end))
    }
    print(f"{3 * len(FILLINGS)} long answers to {reader}: {len(slow)} take more than their length in time")
    assert not slow


@pytest.mark.parametrize(
    ("reader", "answer"),
    [
        ("calls", "\n".join(f"[TC@{number}, DIALING," for number in range(20_000))),
        ("calls", f"[TC@{NUMBER}, ACTIVE,"),
        ("past", f"CallTC@{NUMBER}/[x](MO\n  12:00:00.000 - SET_DISCONNECTED"),
        ("registry", f"mForegroundCallState={NUMBER}\n"),
        ("battery", f"level: {NUMBER}"),
        ("battery", "level: ²"),
        ("health", f"@@\n{NUMBER}\n@@\nMemTotal: {NUMBER}\nMemAvailable: {NUMBER}\n@@\ncpu {NUMBER} 1 1 1 1\n@@\n@@\n"),
        ("probe", f"@@input {NUMBER} @@end"),
    ],
    ids=lambda value: value[:20],
)
def test_an_answer_that_no_phone_gives_breaks_nothing(reader: str, answer: str) -> None:
    READERS[reader](answer)


CLOCKS = ("0.0", "99.0", "999999999.0", "9999999999.0", "999999999999.999999999999", f"{NUMBER}.0", "nan", "-1.0")
DATES = ("000000", "1712345678", "9999999999", "999999999999", NUMBER)
JUMPS = (
    "12:00:00.1 05 {date}\n{uptime} 9.0 \n@@\n12345678-1234-1234-1234-123456789012\n@@\n@@\n"
    "mCalls:\n[TC@1, ACTIVE, x\nmCallAudioManager:\nHistorical Events:\n"
    "CallTC@1/[{began}](MO\n  11:59:00.000 - SET_ACTIVE (x)\n"
    "CallTC@2/[x](MO\n  11:58:00.000 - SET_ACTIVE (x)\n  11:59:00.000 - SET_DISCONNECTED (x)\n"
)


def test_no_clock_of_a_phone_takes_a_call_out_of_time() -> None:
    now, ages = Moment(at="2026-01-01T00:00:01.000Z", mono=1.0, boot="boot"), list[float | None]()
    told = [JUMPS.format(date=date, uptime=uptime, began="31 Feb") for date in DATES for uptime in CLOCKS]
    for before in told:
        for text in told:
            for read in (android.parse_look(before), android.parse_look(text, android.parse_look(before))):
                for live in read.look.live if read is not None else ():
                    ages += (live.created_age, live.answered_age)
                for past in read.look.past if read is not None else ():
                    ages += (past.created_age, past.answered_age, past.ended_age)
    print(f"{len(told) ** 2} jumps of a phone's clocks: {len(ages)} ages, 0 that nobody can tell")
    assert len(ages) > 1000 and all(now.earlier(age).at <= now.at for age in ages if age is not None)


def test_little_of_what_a_phone_says_goes_on_record() -> None:
    words = 100_000 * "x"
    assert len(in_trouble(SlotMemory(), Trouble.SCREEN, words).trouble) <= WORDS
    begun = machine.begin(ATTEMPT, (), TIMEOUTS)
    call = machine.evolve(None, begun.events[0])
    failed = DialFailed(cause=words, reason=EndReason.NOT_DIALED)
    ended = machine.observe(call, failed, Moment(at="2026-01-01T00:00:01.000Z", mono=1.0, boot="boot"), TIMEOUTS).events
    written = sum(len(msgspec.json.encode(event)) for event in ended)
    print(f"{len(words)} letters said: {written} bytes on record")
    assert ended and written < 2 * WORDS + 1000


def test_the_digits_of_any_language_are_digits() -> None:
    others = [chr(code) for code in range(0x80, sys.maxunicode + 1) if chr(code).isdecimal()]
    text = "".join(others)
    assert android.plain(f"a\u200e{text}\u066b5\u2069") == "a" + "".join(str(int(digit)) for digit in others) + ".5"


async def test_others_have_their_turn_while_a_long_answer_is_read() -> None:
    """A phone that lies has itself asked several times a second."""
    answers, signal = Answers(), f"{5 * '@@'}".replace("@@", "@@\n") + 100_000 * "\n"
    others = Others()
    read, _ = await answers.read(signal, partial(android_health.parse_health, before=None))
    turns = others.end()
    print(f"{len(signal)} letters of a phone's health: {turns} turns of others")
    assert read.signal_level is None and turns > 10


class Listener:
    """Whatever listens on the port of a phone's own that the reader of its screen has: any app may."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    async def exchange(self, port: int, request: bytes, *, timeout: float, max_output: int) -> bytes:
        return self.answer[:max_output]

    async def shell(self, command: str, *, timeout: float, max_output: int) -> ShellResult:
        raise NotImplementedError

    async def hold(self, command: str) -> "Listener":
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


async def test_others_have_their_turn_while_an_answer_in_small_pieces_is_read() -> None:
    pieces = 40 * b"1\r\n \r\n" + b"F\r\n{\"result\":true}\r\n" + 40_000 * b"1\r\n \r\n" + b"0\r\n\r\n"
    server = ScreenServer(Listener(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces))
    others = Others()
    assert await server.call("waitForIdle", 1000) is True
    turns = others.end()
    print(f"{len(pieces)} bytes in pieces of one: {turns} turns of others")
    assert turns > 5


async def test_nothing_is_made_of_what_an_answer_has_that_was_not_asked_for() -> None:
    """Millions of empty lists were made in one go."""
    nested = 100_000 * b"[]," + b"[]"
    for body in (b'{"result":[' + nested + b"]}", b'{"error":{"code":[' + nested + b"]}}"):
        server = ScreenServer(Listener(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
        tracemalloc.start()
        with pytest.raises(ServerGone):
            await server.call("waitForIdle", 1000)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{len(body)} bytes of lists: {most} at most beside them")
        assert most < 3 * len(body)
