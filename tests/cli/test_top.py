"""The board of `ottb top`: 200 slots on a small terminal, the worst on top, and what keys do."""

import pytest
from msgspec.structs import replace
from rich.console import Console

from bus_schemas.alert import AlertSeverity, AlertState, AlertView
from bus_schemas.monitor import DiskFigures, HostFigures
from bus_schemas.slot import Metrics, SlotStatus, SlotSummary
from bus_schemas.slot_health import Condition, Quarantine, Symptom
from bus_schemas.usb import HubSummary
from cli.top import drawn, keys
from cli.top_board import KEYS, Board, Line, Seen, Sort, all_lines, lines, page_of, slots_of, typed

AT = "2026-01-31T10:00:00.000Z"
WIDTH, HEIGHT = 80, 24


def slot(id: int, **more: object) -> SlotSummary:
    metrics = Metrics(battery=50 + id % 50, temperature=30.0 + id % 20, cpu=12.0, signal_level=3, latency_ms=float(id))
    given = {"status": SlotStatus.ONLINE, "device": None, "user": f"op{id % 7}", "trunk": None, "last_activity": None}
    return SlotSummary(id=id, **{**given, "metrics": metrics, **more})  # type: ignore[arg-type]


def alert(words: str, severity: AlertSeverity, **more: object) -> AlertView:
    return AlertView(
        alert="al_1", rule="r", severity=severity, state=AlertState.FIRING, kind="slot", id="1", host="h", words=words,
        since=AT, fired=AT, **more,
    )  # type: ignore[arg-type]  # fmt: skip


LEFT = Quarantine(since=AT, symptom=Symptom.SILENT, reason="adb lists it, but it does not answer; " * 5, to_do="Look.")
HOT = Condition(name="hot", words="46 C: it needs air", since=AT)
SLOTS = tuple(
    slot(id, quarantine=LEFT) if id == 150 else slot(id, status=SlotStatus.OFFLINE) if id == 120
    else slot(id, conditions=(HOT,)) if id == 90 else slot(id)
    for id in range(1, 201)
)  # fmt: skip
HOSTS = tuple(
    HostFigures(host=f"host{n}", cpu=20.0, ram=50.0, slots=50, slots_online=48, uptime_s=90_000,
                disks=(DiskFigures(path="/", total_mb=1, free_mb=1, used=70.0),))
    for n in range(1, 7)
)  # fmt: skip
ALERTS = (
    alert("Slot 90 is at 46 C", AlertSeverity.WARNING), alert("Hub HUB1 is unplugged", AlertSeverity.CRITICAL),
    *(alert(f"Slot {n} is full", AlertSeverity.INFO) for n in range(20)),
)  # fmt: skip
HUBS = tuple(HubSummary(hub=f"HUB{n}", online=17 + n % 3, total=20) for n in range(10))
SEEN = Seen(slots=SLOTS, hosts=HOSTS, alerts=ALERTS, hubs=HUBS)
BOARD = Board(seen=SEEN)


def texts(board: Board, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    return [line.text for line in lines(board, width, height)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 10), (80, 8), (20, 3)])
def test_it_is_as_large_as_the_terminal_and_no_larger(width: int, height: int) -> None:
    for board in (BOARD, Board(), replace(BOARD, alerts_only=True), replace(BOARD, away=3.0, why="x" * 300)):
        shown = texts(board, width, height)
        assert len(shown) == max(height, 2) and all(len(line) <= max(width, 40) for line in shown)


def test_what_is_wrong_is_on_top_and_200_slots_are_there() -> None:
    shown = texts(BOARD)
    assert shown[0] == "OTTB: 199 of 200 slots online, 0 in calls, 1 in quarantine, 22 alerts"
    assert shown[1].startswith("! CRITICAL 10:00 Hub HUB1") and shown[2].startswith("! WARNING  10:00 Slot 90")
    [head] = [at for at, line in enumerate(shown) if line.startswith(" slot status")]
    assert [line.split()[:2] for line in shown[head + 1 : head + 4]] == [
        ["150", "QUARANTINE"], ["120", "OFFLINE"], ["90", "ONLINE"]
    ]  # fmt: skip
    assert "hot: 46 C" in shown[head + 3] and shown[-1].startswith(KEYS)
    seen, board = set(), BOARD
    for _ in range(200):
        page = texts(board)
        seen |= {int(line.split()[0]) for line in page[head + 1 : -1] if line.strip()}
        board = typed(board, "pagedown", page_of(board, HEIGHT))
    assert seen == set(range(1, 201))


def test_a_large_terminal_shows_more_of_everything() -> None:
    shown = texts(BOARD, 120, 60)
    assert sum(line.startswith("host host") for line in shown) == 6
    assert sum(line.startswith("!") for line in shown) > 5


def test_slots_are_in_the_order_that_is_asked_for() -> None:
    board, orders = BOARD, {}
    for _ in Sort:
        orders[board.sort] = [one.id for one in slots_of(board)]
        board = typed(board, "s", 10)
    assert board.sort is Sort.WRONG
    assert orders[Sort.SLOT] == list(range(1, 201)) and orders[Sort.LATENCY][0] == 200
    assert orders[Sort.BATTERY][0] == 50 and orders[Sort.TEMPERATURE][0] == 19 and orders[Sort.STATUS][0] == 120
    backwards = typed(replace(BOARD, sort=Sort.SLOT), "r", 10)
    assert slots_of(backwards)[0].id == 200 and "reversed" in texts(backwards)[-1]


def test_slots_that_tell_nothing_are_last_where_figures_are_sorted() -> None:
    board = Board(seen=Seen(slots=(slot(1, metrics=Metrics()), slot(2))))
    for sort in (Sort.BATTERY, Sort.TEMPERATURE, Sort.LATENCY):
        assert [one.id for one in slots_of(replace(board, sort=sort))] == [2, 1]


def test_a_filter_is_typed_and_taken_away() -> None:
    board = typed(BOARD, "/", 10)
    for key in "offq":
        board = typed(board, key, 10)
    board = typed(board, "\x7f", 10)
    assert not board.over and [one.id for one in slots_of(board)] == [120] and "filter: off_" in texts(board)[-1]
    board = typed(board, "\r", 10)
    assert not board.typing and "filter: off" in texts(board)[-1]
    assert len(slots_of(typed(board, "esc", 10))) == 200


@pytest.mark.parametrize("key", ["q", "Q", "\x03", "\x04"])
def test_it_ends_with_a_key(key: str) -> None:
    assert typed(BOARD, key, 10).over and not typed(BOARD, "x", 10).over


def test_it_scrolls_no_further_than_there_is_something() -> None:
    page = page_of(BOARD, HEIGHT)
    assert typed(BOARD, "up", page).first == 0 and typed(BOARD, "G", page).first == 200 - page
    assert typed(typed(BOARD, "end", page), "down", page).first == 200 - page


def test_it_says_when_nobody_answers_and_shows_what_was() -> None:
    shown = texts(replace(BOARD, away=12.3, why="no gateway"))
    assert shown[1].startswith("NO ANSWER for 12 s: no gateway") and any("QUARANTINE" in line for line in shown)


def test_what_may_not_be_seen_is_not_there() -> None:
    shown = texts(Board(seen=replace(SEEN, hosts=None, alerts=None, hubs=None)))
    assert "alerts not yours" in shown[0] and not any(line.startswith(("host", "!")) for line in shown)


def test_no_name_moves_the_cursor() -> None:
    bad = replace(SEEN, alerts=(alert("x\x1b[2J\r\ny", AlertSeverity.INFO),))
    assert all(line.isprintable() for line in texts(Board(seen=bad)))


def test_without_colours_it_is_text_alone() -> None:
    console = Console(no_color=True, force_terminal=True, width=80, highlight=False)
    with console.capture() as shown:
        console.print(drawn([Line("[bold]x", lines(BOARD, 80, 24)[1].style)]))
    assert "\x1b[3" not in shown.get() and "[bold]x" in shown.get()


def test_printed_once_it_has_all_of_it() -> None:
    shown = [line.text for line in all_lines(BOARD, 80)]
    assert sum(line.lstrip().split()[0].isdigit() for line in shown) == 200 and len(set(shown)) > 230


def test_keys_are_told_apart() -> None:
    assert list(keys("j\x1b[A\x1b[6~q")) == ["j", "up", "pagedown", "q"]
    assert list(keys("\x1b")) == ["esc"]
