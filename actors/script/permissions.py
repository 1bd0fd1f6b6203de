"""What a script takes beside the right to run scripts: what it does to a phone takes the same right as by hand. Pure.

Which command takes which stands in `guard.py`, beside which commands there are.
"""

from collections.abc import Iterable

from actors.script import guard
from actors.script.checking import sent, steps_of
from actors.script.language import Call, Script, Shell, Ussd
from bus_schemas.permissions import Action


def taken(scripts: Iterable[Script]) -> frozenset[Action]:
    """All that these take: what they say in `needs`, and what their commands come to, whatever they say."""
    return frozenset(one for script in scripts for one in _of(script))


def _of(script: Script) -> Iterable[Action]:
    yield from (Action(one) for one in script.needs.permissions)
    yield from (one for words in script.cleanup if (one := guard.permission_of(words)) is not None)
    for step in steps_of(script):
        match step:
            case Call():
                yield Action.CALL_START
            case Ussd():
                yield Action.SCRIPT_USSD
            case Shell():
                if (one := guard.permission_of(sent(step))) is not None:
                    yield one
