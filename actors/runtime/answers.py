"""The answers that an actor gave to its last commands, so that a caller who repeats one is given the same."""

from collections import OrderedDict
from collections.abc import Mapping

REMEMBERED_ANSWERS = 1024
NONE: Mapping[str, str] = {}


class Answers:
    """Answers as JSON by command id, the newest `REMEMBERED_ANSWERS` of them. `forgot`: there have been more."""

    __slots__ = ("_answers", "forgot")

    def __init__(self, answers: Mapping[str, str] = NONE, *, forgot: bool = False) -> None:
        self._answers = OrderedDict((id, answer.encode()) for id, answer in answers.items())
        self.forgot = forgot

    def get(self, command_id: str) -> bytes | None:
        return self._answers.get(command_id)

    def keep(self, command_id: str, answer: str) -> None:
        self._answers[command_id] = answer.encode()
        if len(self._answers) > REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
            self.forgot = True

    def as_text(self) -> dict[str, str]:
        return {id: answer.decode() for id, answer in self._answers.items()}
