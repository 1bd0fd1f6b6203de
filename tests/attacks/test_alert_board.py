"""The board of alerts when all of a site is wrong: silences and looks at it take little of its host's time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from actors.alert import machine
from actors.alert.actor import AlertBoard
from actors.alert.machine import Heard, Memory
from actors.alert.record import Board
from actors.alert.rules import Rules
from actors.runtime.clock import Moment
from actors.runtime.context import Context
from actors.runtime.host import Host
from bus_schemas.alert import (
    BOARD,
    LOOK_AT_BOARD,
    MOST_PENDING,
    AlertSeverity,
    AlertState,
    AlertView,
    BoardStands,
    LookAtBoard,
    Matcher,
    SilenceView,
)
from simulators.bus.memory_broker import MemoryBroker
from simulators.bus.memory_bus import MemoryBus
from simulators.time.clock import SimClock
from simulators.time.ids import CountedIds
from simulators.time.loop import SimLoop, run
from tests.alert.boards import RULES, Played, hot, hub_gone

WRONG, SILENCES, LOOKS = 500, 200, 200
AT = "2026-11-28T10:00:00.000Z"
CONTEXT = Context(command_id="one")


class Always:
    held, epoch = True, 1



def _silence(number: int) -> SilenceView:
    """One that fits nothing, as others do in other ways."""
    ways: tuple[dict[str, Any], ...]
    ways = ({"id": "x"}, {"kind": "slot", "host": "b"}, {"rule": "hot", "hub": f"H{number}"})
    wanted = Matcher(severity=AlertSeverity.WARNING, **ways[number % 3])
    return SilenceView(silence=f"si{number}", matcher=wanted, until="2027-01-01T00:00:00.000Z", by="u", at=AT, why="w")


def _seconds(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return min(once() for _ in range(3))


def test_silences_are_not_compared_with_every_alert_again_and_again() -> None:
    played = Played()
    played.seconds(2, *(hot(str(id), 100, None) for id in range(WRONG)))
    assert len(played.board.alerts) == WRONG
    silenced = replace(played.board, silences={one.silence: one for one in map(_silence, range(SILENCES))})

    def look(board: Board) -> float:
        return _seconds(lambda: machine.look(board, played.memory, RULES, played.moment))

    without, with_all = look(played.board), look(silenced)
    print(f"{WRONG} alerts: a look of {1000 * without:.1f} ms, with {SILENCES} silences {1000 * with_all:.1f} ms")
    assert with_all < 5 * without + 0.005


async def _looked_at(board: AlertBoard) -> tuple[int, int]:
    """How often and how long answers about one alert are, of a board on which all is wrong."""
    slots = [hot(str(id), 100) for id in range(WRONG)]
    board.tell(Heard(host="a", sightings=(hub_gone(100), *slots)))
    await asyncio.sleep(2)
    assert board.state is not None
    [hub] = board.state.alerts
    longest = 0
    for number in range(LOOKS):
        about = hub if number == 0 else f"al_{number}"
        found = await board._host.bus.request(
            LOOK_AT_BOARD.subject, msgspec.json.encode(LookAtBoard(alert=about)), CONTEXT.headers(), timeout=2.0
        )
        stands = msgspec.json.decode(found.data, type=BoardStands)
        assert [len(members) for members in stands.within.values()] == ([WRONG] if number == 0 else [])
        longest = max(longest, len(found.data) if number else 0)
    return LOOKS, longest


def test_who_looks_at_alerts_again_and_again_has_the_board_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stands = 0, machine.stands

    def count(board: Board, memory: Memory, rules: Rules, now: Moment) -> BoardStands:
        nonlocal made
        made += 1
        return stands(board, memory, rules, now)

    monkeypatch.setattr(machine, "stands", count)

    async def story() -> None:
        clock = SimClock(cast(SimLoop, asyncio.get_running_loop()))
        bus = MemoryBus(MemoryBroker(clock=clock))
        host = Host(name="a", bus=bus, clock=clock, ids=CountedIds("t"), ownership=Always())
        host.add_maker(AlertBoard.made_by(lambda id, host: AlertBoard(id=id, host=host, rules=RULES, mailer=None)))
        board = await host.activate(AlertBoard, BOARD)
        await bus.subscribe(LOOK_AT_BOARD.subject, board.receive)
        looks, longest = await _looked_at(board)
        print(f"{looks} looks at one alert each of {WRONG}: the board made {made} times, {longest} bytes at most")
        assert made <= 2 and longest < 100

    run(story, 1)


def test_the_worst_of_what_is_pending_is_shown() -> None:
    views = [_pending(str(id), AlertSeverity.INFO) for id in range(MOST_PENDING)]
    worst = _pending("worst", AlertSeverity.CRITICAL)
    shown = machine.about(BoardStands(pending=(*views, worst)), None).pending
    print(f"{len(views) + 1} pending: {len(shown)} shown")
    assert shown[0] == worst and len(shown) == MOST_PENDING


def _pending(id: str, severity: AlertSeverity) -> AlertView:
    return AlertView(
        alert=f"al_{id}", rule="hot", severity=severity, state=AlertState.PENDING, kind="slot", id=id, host="a",
        words="w", since=AT,
    )  # fmt: skip
