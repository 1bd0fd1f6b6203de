"""What is done to a campaign once by its command. Pure."""

from collections import deque
from collections.abc import Callable

from actors.campaign.machine import CampaignDecision
from actors.runtime.commands import Outcome
from actors.runtime.decision import NOTHING

KEPT = 100  # commands of late


class Once:
    """The commands by which one campaign was changed, or was to be. Each may come again (`Rpc.again`), and late, when
    somebody has changed it back by then."""

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
        if not decision.events:  # else the record says it
            self._made.append(command)
        return Outcome(decision=decision, reply=bool(decision.events))
