"""How the states of erasures are walked through, for docs/states.md."""

from typing import Any

from actors.erasure import machine
from actors.erasure.machine import Cleared, Finished, Impossible
from actors.runtime.decision import Decision
from bus_schemas.erasure import Erased, EraseOnShard
from tests.support.states import Stand, Walk, verb

ASKED = EraseOnShard(shard=1, erasure="er", marks=("+0100000000000000001",), reason="letter")


def _name(stand: Stand) -> str:
    erasure = stand[0]
    return str(machine.view(erasure).status) if erasure.over or erasure.erased is None else "cleared"


def _after(stand: Stand, decision: Decision[Any, Any]) -> Stand:
    erasure = stand[0]
    for event in decision.events:
        erasure = machine.evolve(erasure, event)
    return erasure, None


WALK = Walk(
    title="An erasure",
    text="It is `cleared` once the journal says nothing of the person, and done when all that was made of it is anew.",
    start=lambda now: machine.begin(None, ASKED, "admin", now),
    inputs=(
        lambda stand, now: machine.observe(stand[0], Cleared(erased=Erased(entries=1)), now),
        lambda stand, now: machine.observe(stand[0], Finished(), now),
        lambda stand, now: machine.observe(stand[0], Impossible(why="an earlier journal"), now),
    ),
    after=_after,
    name=_name,
    key=_name,
    why=verb,
)
