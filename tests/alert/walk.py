"""How the states of an alert are walked through, for docs/states.md. What is pending is on no record."""

from typing import Any

from msgspec.structs import replace

from actors.alert import machine
from actors.alert.machine import Heard, Memory
from actors.alert.record import Board, evolve
from actors.runtime.clock import Moment
from actors.runtime.decision import Decision, TimerFired
from bus_schemas.alert import BoardActivated, Matcher, Sighting
from tests.alert.boards import HOT, RULES, hot
from tests.support.states import Input, Stand, Walk, at, verb

ONE = replace(RULES, rules={"hot": replace(HOT, resolve_after=0.0)}, mail=())
BEGUN = BoardActivated(at="", host="a", epoch=1)


def _sees(*sightings: Sighting) -> Input:
    def given(stand: Stand, now: Moment) -> Decision[Any, Any]:
        board, memory = stand
        heard = machine.observe(board, memory, Heard(host="a", sightings=sightings), ONE, now)
        for event in heard.events:
            board = evolve(board, event)
        looked = machine.observe(board, heard.memory or memory, TimerFired(name=machine.LOOK), ONE, now)
        return Decision(events=(*heard.events, *looked.events), memory=looked.memory)

    return given


def _acknowledged(stand: Stand, now: Moment) -> Decision[Any, Any]:
    return machine.acknowledge(stand[0], next(iter(stand[0].alerts), ""), "", "op", now)


def _silenced(stand: Stand, now: Moment) -> Decision[Any, Any]:
    return machine.silence(stand[0], "si", Matcher(rule="hot"), at(1e6).at, "known", "op", now)


def _unsilenced(stand: Stand, now: Moment) -> Decision[Any, Any]:
    return machine.unsilence(stand[0], "si", "op", now)


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    board, memory = stand
    for event in decision.events:
        board = evolve(board, event)
    return board, decision.memory or memory or Memory(began=0.0)


def _name(stand: Stand) -> str:
    board: Board = stand[0]
    alert = next(iter(board.alerts.values()), None)
    if alert is None:
        return "well"
    return "silenced" if alert.silence is not None else "acknowledged" if alert.acknowledged is not None else "firing"


def _key(stand: Stand) -> object:
    board: Board = stand[0]
    alerts = tuple((one.silence, one.acknowledged is not None) for one in board.alerts.values())
    return alerts, bool(board.silences), bool(board.hosts)


WALK = Walk(
    title="An alert",
    text="One that is silenced is told to nobody but live clients; one that somebody looks after is not mailed again.",
    start=lambda now: Decision(events=(BEGUN,)),
    inputs=(_sees(), _sees(hot("44", 0)), _sees(hot("44", 31)), _acknowledged, _silenced, _unsilenced),
    after=_after,
    name=_name,
    key=_key,
    why=verb,
)
