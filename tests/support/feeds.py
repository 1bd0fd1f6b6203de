"""The table of docs/bus.md that says who hears what: from the kinds of the catalogue, by what an identity that holds
these actions is granted on the bus. `make feeds` writes it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from actors.point.grants import grants
from bus_schemas.catalogue import KINDS, TOPICS, rights_in
from bus_schemas.kinds import ALL, OWN, SHARED, Kind
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from bus_schemas.user import Identity, LoginKind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bus.md"
BEGIN, END = "<!-- feeds: `make feeds` writes this table -->\n", "<!-- /feeds -->\n"
USER = "USER"
OF_ONES_OWN = {
    "call": "calls that you started, or that a campaign gave you",
    "campaign": "campaigns that you made, and what is done with leads that are assigned to you",
    "operator": "yourself",
    "note": "notes of your own calls and leads, and those that you wrote",
    "slot": "your own slots",
    "webhook": "your own webhooks, and what comes of their deliveries",
}
OF_THE_POOL = {"slot": "the pool"}  # kinds of which some are everybody's
FIGURES = {"import": "counts, at most twice a second", "campaign": "counts, at most twice a second"}


def table() -> str:
    """The rows, in the order of the catalogue; the audit last, which is no kind."""
    rows = [row for kind in KINDS for row in _of_kind(kind)]
    rows.append(_row([Action.AUDIT_VIEW], _granted([Action.AUDIT_VIEW], ".evt.audit.")))
    return "\n".join(("| You hold | You may subscribe |", "|---|---|", *rows, ""))


def page(text: str) -> str:
    """The page with this table in the place of whatever stands there."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def _of_kind(kind: Kind) -> Iterator[str]:
    fields = rights_in(kind.name)
    events, figures = f".evt.{kind.name}.>", f".tel.{kind.name}.>"
    has_figures = any(topic.subject.startswith(f"ottb.v1.tel.{kind.name}.") for topic in TOPICS)
    of_figures = f" ({FIGURES.get(kind.name, 'figures')}, not kept)"

    def heard(held: Iterable[Action], *roots: str) -> list[str]:
        found = [one for one in _granted(held, events) if one.startswith(roots)]
        if has_figures:
            found += [f"{one}{of_figures}" for one in _granted(held, figures) if one.startswith(roots)]
        return found

    every = [kind.view, kind.view_any] if kind.view_others else [kind.view]
    yield _row(every[-1:], heard(every, "`ottb.v1.evt.", f"`{ALL}.", "`ottb.v1.tel."))
    if fields:
        more = sorted(fields)
        whole = heard([*every, *more], "`ottb.v1.evt.")
        yield _row([every[-1], *more], whole, f"with every field ({', '.join(f'`{right}`' for right in more)})")
    if kind.view_others:
        yield _row([kind.view], heard([kind.view], f"`{OWN}."), OF_ONES_OWN.get(kind.name, "your own"))
        if kind.name in OF_THE_POOL:
            yield _row([kind.view], heard([kind.view], f"`{SHARED}."), OF_THE_POOL[kind.name])


def _row(held: list[Action], subjects: list[str], what: str = "") -> str:
    assert subjects, held
    roles = [name for name, permissions in BUILT_IN_ROLES.items() if {*held} <= resolve(permissions)]
    who = "every role" if len(roles) == len(BUILT_IN_ROLES) else ", ".join(roles)
    wanted = " and ".join(f"`{action}`" for action in held)
    return f"| {wanted} ({who}) | {', '.join(subjects)}{f': {what}' if what else ''} |"


def _granted(held: Iterable[Action], ending: str) -> list[str]:
    """What a user who holds these actions may subscribe, as far as it is of this part."""
    identity = Identity(kind=LoginKind.PASSWORD, id=USER, user=USER, role="", actions=sorted(held), expires_at=None)
    return [f"`{one.replace(USER, '<user>')}`" for one in grants(identity).subscribe if ending in one]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
