"""Scripts for tests."""

from actors.script.checking import check
from actors.script.language import Script

HEAD = 'name = "a"\nversion = 1\nsummary = "A script."\n'
CHANGES = 'needs = { permissions = ["slot.apps", "slot.configure"] }\n'


def script(steps: str, head: str = "", *, library: dict[str, Script] | None = None, name: str = "a") -> Script:
    """A script of these steps; `head` stands before them."""
    needs = "" if "needs" in head else CHANGES
    checked = check(HEAD.replace('"a"', f'"{name}"', 1) + needs + head + steps, library or {})
    assert checked.script is not None, [problem.text("script") for problem in checked.problems]
    return checked.script


def wrong(text: str, library: dict[str, Script] | None = None) -> list[str]:
    """What is wrong with a text: `line:column: at: message`."""
    checked = check(text, library or {})
    assert (checked.script is None) == bool(checked.problems)
    return [problem.text("")[1:] for problem in checked.problems]
