"""Definitions that tests run."""


def text(*, more: str = "", steps: str = "", id: int = 1) -> str:
    """A definition: `more` of its top, and its steps; by default one that runs a command."""
    own = steps or '[[steps]]\nname = "build"\ndo = "run"\ncommands = ["true"]\n'
    return f'id = {id}\nname = "made-{id}"\n{more}\n{own}'
