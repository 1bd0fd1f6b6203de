"""Every bus permission template with every reserved and odd name: no name makes a subject of one that is another's."""

import itertools
import re
from pathlib import Path

from actors.point.grants import Grants, grants
from bus_schemas.names import PARTS, is_reserved
from bus_schemas.permissions import BUILT_IN_ROLES, Action, resolve
from bus_schemas.user import Identity, LoginKind

CONF = (Path(__file__).resolve().parents[2] / "nats.conf").read_text()
STANDARD = r'allowed_connection_types: \["STANDARD"\]'  # not by WebSocket
PART = re.compile(
    rf"\{{ user: (\w+), password: \$\w+, {STANDARD},\s+permissions \{{(.*?)\n        \}} \}}", re.DOTALL
)
DOOR = ("ottb.v1.own.*.cmd.>", "ottb.v1.own.*.qry.>", "ottb.v1.token.*.cmd.>", "ottb.v1.token.*.qry.>")
OUR_OWN = (*(f"_INBOX_{name}.>" for name in PARTS), "$SYS.>", "$JS.>", "$KV.>", "ottb.v1.write.>", "ottb.v1.cmd.>",
           "ottb.v1.qry.>", "ottb.v1.evt.point.>", "ottb.v1.tel.host.*")  # fmt: skip
NAMES = (*PARTS, "system", "GATEWAY", "own", "shared", "token", "evt", "cmd", "qry", "tel", "write", "u", "t", "_", "-",
         "INBOX", "_INBOX", "_INBOX_core", "0", "t0123456789abcdef", "x" * 64)  # fmt: skip
ROLES = [frozenset(Action), frozenset(), *(resolve(role) for role in BUILT_IN_ROLES.values())]


def collide(one: str, other: str) -> bool:
    """Whether a subject exists that both patterns match."""
    for a, b in itertools.zip_longest(one.split("."), other.split(".")):
        if a is None or b is None:
            return False
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return True


def parts() -> dict[str, dict[str, list[str]]]:
    """What nats.conf lets each of the platform's parts publish and subscribe."""
    found = {}
    for name, block in PART.findall(CONF):
        halves = dict(re.findall(r"(publish|subscribe) \{ allow: \[(.*?)\]", block, re.DOTALL))
        found[name] = {way: re.findall(r'"([^"]+)"', subjects) for way, subjects in halves.items()}
    return found


def given(name: str, kind: LoginKind, actions: frozenset[Action]) -> Grants:
    id, user = (name, "somebody") if kind is LoginKind.TOKEN else ("s1", name)
    return grants(Identity(kind=kind, id=id, user=user, role="r", actions=sorted(actions), expires_at=None))


def private(name: str, kind: LoginKind) -> list[str]:
    """Subjects of one name alone."""
    if kind is LoginKind.TOKEN:
        return [f"_INBOX.t.{name}.>", f"ottb.v1.token.{name}.>"]
    return [f"_INBOX.u.{name}.>", f"ottb.v1.own.{name}.>"]


def test_the_users_that_the_server_knows_itself_are_names_that_nobody_gets() -> None:
    named = set(re.findall(r"user: (\w+)", CONF))
    assert named == set(PARTS) == {name for name in named if is_reserved(name)}
    assert set(re.findall(r"auth_users: \[ (.*?) \]", CONF)[0].split(", ")) == named  # POINT is not asked about these
    assert set(parts()) == {"core", "gateway", "watch"}


def test_no_name_makes_a_subject_that_is_anothers() -> None:
    kinds = (LoginKind.PASSWORD, LoginKind.TOKEN)
    others = [(name, kind, subject) for name in NAMES for kind in kinds for subject in private(name, kind)]
    tries, wrong = 0, []
    for name, kind, actions in itertools.product(NAMES, kinds, ROLES):
        granted = given(name, kind, actions)
        theirs = [subject for other, of, subject in others if (other, of) != (name, kind)]
        for subject in granted.subscribe:
            for forbidden in (*OUR_OWN, *theirs):
                tries += 1
                if collide(subject, forbidden):
                    wrong.append((name, subject, forbidden))
        for subject in granted.publish:
            for forbidden in (*OUR_OWN, *theirs, "_INBOX.>"):
                tries += 1
                if collide(subject, forbidden):
                    wrong.append((name, subject, forbidden))
    print(f"{tries} pairs of subjects: {len(wrong)} that meet")
    assert tries > 100_000 and not wrong


def test_what_users_say_reaches_the_door_and_no_other_part() -> None:
    tries, wrong = 0, []
    for name, kind in itertools.product(NAMES, (LoginKind.PASSWORD, LoginKind.TOKEN)):
        for subject in given(name, kind, frozenset(Action)).publish:
            for part, ways in parts().items():
                for heard in ways["subscribe"]:
                    tries += 1
                    if part == "gateway" and heard in DOOR:
                        continue
                    if part != "core" and collide(subject, heard):  # `core` may hear all that is said
                        wrong.append((subject, part, heard))
    print(f"{tries} pairs of a user's subject and a part's: {len(wrong)} that meet")
    assert tries and not wrong


def test_only_the_gateway_speaks_into_the_inboxes_of_others() -> None:
    for part, ways in parts().items():
        speaks = [subject for subject in ways["publish"] if collide(subject, "_INBOX.>")]
        assert speaks == (["_INBOX.u.>", "_INBOX.t.>"] if part == "gateway" else []), part
        assert not [subject for subject in ways["subscribe"] if collide(subject, "_INBOX.>")], part
