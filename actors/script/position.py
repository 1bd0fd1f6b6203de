"""Where a run of a script stands: one small value, all of it. Written before what is asked is done, it lets any host go
on with the run, and none do twice what must not be done twice. Pure.
"""

from typing import Literal

from msgspec import Struct

from actors.script.effects import AnyEffect

# What was asked last, and for what. `look`: to find what the step is about; `pause`: before it is looked again;
# `again`: before the step is tried again; `pop_up`: to be rid of something that came up; `act`: the step's own effect;
# `scroll`: a part of it; `place`: its call; `talk`: to see what becomes of the call; `tell`: to say that somebody
# answered; `hang_up`: to end it; `end`: to say that it has ended.
Phase = Literal["look", "pause", "again", "pop_up", "act", "scroll", "place", "talk", "tell", "hang_up", "end"]


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run is in the middle of: a loop (`count`: times so far), a `try` (`at`: where failures go on), or a script
    that another one runs (`values`: those of the other)."""

    kind: Literal["loop", "try", "script"]
    count: int = 0
    at: int = 0
    values: dict[str, str] | None = None


class Succeeded(Struct, frozen=True, kw_only=True, tag="succeeded"):
    """It is done. `values`: what the script is asked for."""

    values: dict[str, str]


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """It is not. `number`, `at`, `step`: of the step, as people find it in the script; `uncertain`: nobody knows
    whether its effect has happened."""

    number: int
    at: str
    step: str
    reason: str
    uncertain: bool = False


class Position(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a run stands. Times are seconds, of a clock that all hosts share."""

    began: float
    at: int = 0
    values: dict[str, str] = {}
    frames: tuple[Frame, ...] = ()
    step_began: float = 0.0
    phase: Phase = "look"
    asked: AnyEffect | None = None
    tries: int = 0  # of this step, which failed
    count: int = 0  # scrolls of this step, or taps to hang up
    answered: bool = False
    began_call: bool = False  # the call's screen was seen
    looked: float = 0.0  # when the call was last seen to go on, or was placed
    unsure: bool = False  # for too long before its end nobody looked: it may have been answered
    unseen: int = 0  # looks, one after the other, without it
    gone: float = 0.0  # when the first of them was; 0: there is none, or the end is told by what is seen
    uncovered: int = 0  # how often the keyboard was closed for this step
    compressed: bool = False  # the last look found a screen that never stands still
    handled: dict[str, int] = {}  # pop-ups, by the number of their handler
    effects: int = 0
    moves: int = 0
    outcome: Succeeded | Failed | None = None


class Running(Struct, frozen=True, kw_only=True):
    """For people: step `step` of `steps`, and what it waits for."""

    step: int
    steps: int
    at: str
    waits_for: str
