"""A stop, or a pause, is made once by its command. Pure."""

from collections import deque
from collections.abc import Callable

from actors.campaign.machine import CampaignDecision
from actors.runtime.commands import Outcome
from actors.runtime.decision import NOTHING

KEPT = 100  # commands of late


class Halts:
    """The commands by which one campaign was told to begin nothing. Each may come again (`Rpc.again`), and late, when
    somebody has the campaign go on by then."""

    def __init__(self) -> None:
        self._made: deque[str] = deque(maxlen=KEPT)

    def make(
        self, command: str, on_record: bytes | None, decide: Callable[[], CampaignDecision]
    ) -> Outcome[bool]:
        """What follows from a command, which says whether anything was changed for it. `on_record`: what it said
        before, whoever owned the campaign, where it changed something."""
        if on_record is not None:
            return Outcome(decision=NOTHING, reply=on_record == b"true")
        if command in self._made:
            return Outcome(decision=NOTHING, reply=False)
        decision = decide()
        self._made.append(command)
        return Outcome(decision=decision, reply=bool(decision.events))
