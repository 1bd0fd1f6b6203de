"""Scripts on a virtual phone in simulated time: the engine, the adapter that carries out what it asks, and the phone,
whose own log says what has happened."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from actors.script import engine
from actors.script.effects import AnyEffect, Back, Done, Pause, PlaceCall, TakeScreenshot, TapAt, TellCall
from actors.script.language import Script
from actors.script.position import Failed, Position, Succeeded
from actors.script.program import Program, program
from actors.slot.screen import OnScreen, Screen
from simulators.phone.handset import Handset
from simulators.phone.screens.profile import LARGE, SMALL, Language, Profile
from simulators.phone.screens.screens import Did, Screens
from simulators.phone.simulated_phone import SimulatedPhone
from simulators.time.loop import run
from tests.script.runs import kept
from tests.script.test_shipped import shipped

PROFILES = tuple(
    Profile(layout=layout, language=language, display=display)
    for layout in (1, 2)
    for language in Language
    for display in (LARGE, SMALL)
)
TROUBLES = {"popups": 0.25, "not_idle": 0.05, "no_root": 0.05, "crash": 0.05, "elsewhere": 0.1}
AFTERWARDS = 60.0  # seconds in which a call that is still going on would be found


def named(profile: Profile) -> str:
    return f"{profile.layout}-{profile.language.value}-{profile.display.width}"


@dataclass
class Played:
    """What became of a run. `asked`: every effect, in its order; `told`: of its call; `log`: what the phone has really
    done, until some time later; `seconds`: what the run took."""

    position: Position
    screens: Screens
    handset: Handset
    asked: list[AnyEffect] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    log: list[Did] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def outcome(self) -> Succeeded | Failed:
        assert self.position.outcome is not None
        return self.position.outcome

    def did(self, *what: str) -> list[tuple[str, str]]:
        """The phone's log of such things: about whom or where, and with what."""
        return [(line.where, line.data) for line in self.log if line.what in what]

    def touched(self) -> list[str]:
        """What fingers fell on."""
        return [line.data for line in self.log if line.what == "tap"]


def play(
    name: str | Script,
    values: Mapping[str, str],
    profile: Profile,
    *,
    seed: int = 0,
    troubles: Mapping[str, float] | None = None,
    prepare: Callable[[Screens], Any] = lambda screens: None,
    ussd: frozenset[str] = frozenset(),
) -> Played:
    """A run of a script that is shipped, or of another, to its end, and the time after it."""
    return play_each(name, [values], profile, seed=seed, troubles=troubles, prepare=prepare, ussd=ussd)[0]


def play_each(
    name: str | Script,
    several: Sequence[Mapping[str, str]],
    profile: Profile,
    *,
    seed: int = 0,
    troubles: Mapping[str, float] | None = None,
    prepare: Callable[[Screens], Any] = lambda screens: None,
    ussd: frozenset[str] = frozenset(),
    afterwards: float = AFTERWARDS,
) -> list[Played]:
    """Runs of it with each of these values, one after the other on one phone. `afterwards`: seconds after each."""
    script = shipped(name) if isinstance(name, str) else name
    given = {name: str(param.default) for name, param in script.params.items() if param.default is not None}
    made = program(script, {}, ussd)

    async def main() -> list[Played]:
        handset = Handset()
        screens = handset.give_screens(profile, seed=seed)
        screens.troubles = replace(screens.troubles, **(troubles or {}))
        prepare(screens)
        phone = SimulatedPhone(handset, alive=lambda: True, buried=asyncio.Event())
        phone.start(lambda _: None)
        runs, before = [], 0
        for values in several:
            played = Played(Position(began=0.0), screens, handset)
            await _played(made, {**given, **values}, phone.screen, played)
            await asyncio.sleep(afterwards)
            log = screens.log
            played.log, before = log[before:], len(log)
            runs.append(played)
        return runs

    return run(main, seed)


async def _played(made: Program, values: Mapping[str, str], screen: Screen, played: Played) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    position = engine.begin(made, values, began)
    while position.outcome is None:
        asked = position.asked
        assert asked is not None
        played.asked.append(asked)
        back = await carry_out(asked, screen, played.told)
        position = kept(engine.advance(made, position, back, loop.time()))
    played.position, played.seconds = position, loop.time() - began


async def carry_out(asked: AnyEffect, screen: Screen, told: list[str]) -> Back:
    """What a run does itself, and what it has the phone do. The dial rules allow every call."""
    match asked:
        case Pause():
            await asyncio.sleep(asked.seconds)
        case TellCall():
            told.append(asked.state)
        case TakeScreenshot():
            await screen.picture()
        case PlaceCall():
            return await screen.carry_out(TapAt(x=asked.x, y=asked.y))
        case _:
            effect: OnScreen = asked
            return await screen.carry_out(effect)
    return Done()

