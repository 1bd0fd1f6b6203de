"""Who may change what, as values: whatever non-administrators try, nobody's permissions grow beyond what they held."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import UNSET

from actors.point import machine
from actors.point.directory import Directory, Session
from actors.point.machine import Asker, missing_roles
from bus_schemas.call import JoinCall
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.names import is_a_part, is_reserved
from bus_schemas.permissions import MODULES, Action
from bus_schemas.user import (
    ChangeUser,
    CreateToken,
    CreateUser,
    ExtensionFound,
    LoginKind,
    RoleSet,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    SetRole,
    UserCreated,
    UserStatus,
)
from tests.support.depth import examples

AT = "2026-01-01T00:00:00Z"
LATER = "2027-01-01T00:00:00Z"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = ["a", "b", "c", "d", "e"]
ROLES = ["admin", "supervisor", "operator", "clerk", "chief", "new"]
CLERK = {"OTTB": ["read"], "POINT": ["read", "write", "token"]}
CHIEF = {"OTTB": ["read", "write", "supervise"], "POINT": ["read", "write", "token"]}

modules = st.dictionaries(
    st.sampled_from(sorted(MODULES)),
    st.lists(st.sampled_from(sorted({verb for verbs in MODULES.values() for verb in verbs})), max_size=4),
    max_size=3,
)


def book(**users: str) -> Directory:
    """A directory with these users and their roles, the built-in roles, and two that may edit."""
    made = Directory()
    for event in list(missing_roles(made, AT)):
        made.apply(event)
    for role, permissions in (("clerk", CLERK), ("chief", CHIEF)):
        made.apply(RoleSet(role=role, at=AT, permissions=permissions, built_in=False, by="admin"))
    for name, role in users.items():
        made.apply(UserCreated(user=name, at=AT, role=role, email=None, password_hash="h", by="system"))
    return made


def asker(directory: Directory, name: str) -> Asker:
    return Asker(user=name, actions=frozenset(directory.actions_of(name)))


class Climbers(RuleBasedStateMachine):
    """Everybody but the one administrator tries everything. `held` is what all of them could do together at first."""

    @initialize()
    def begin(self) -> None:
        self.book = book(root="admin", a="clerk", b="chief", c="supervisor", d="operator", e="clerk")
        self.held = frozenset(action for name in NAMES for action in self.book.actions_of(name))
        self.number = 0

    def _try(self, decide: object) -> None:
        try:
            event = decide()  # type: ignore[operator]
        except Refusal as refusal:
            assert refusal.code in (
                ErrorCode.PERMISSION_DENIED, ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.INVALID_PARAMS,
            )  # fmt: skip
            return
        before = {name: self.book.actions_of(name) for name in NAMES}
        who = event.by if hasattr(event, "by") else event.user
        power = before[who]
        self.book.apply(event)
        assert self.book.actions_of(who) <= power, "somebody gave themselves something"
        for name in NAMES:
            assert self.book.actions_of(name) - before[name] <= power, "somebody gave what they do not hold"

    def _may_edit(self, name: str, action: Action) -> bool:  # the door asks for it first
        return action in self.book.actions_of(name)

    @rule(who=st.sampled_from(NAMES), role=st.sampled_from(ROLES), permissions=modules)
    def set_role(self, who: str, role: str, permissions: dict[str, list[str]]) -> None:
        if self._may_edit(who, Action.ROLE_EDIT):
            order = SetRole(role=role, permissions=permissions)
            self._try(lambda: machine.set_role(self.book, asker(self.book, who), order, AT))

    @rule(who=st.sampled_from(NAMES), role=st.sampled_from(ROLES))
    def delete_role(self, who: str, role: str) -> None:
        if self._may_edit(who, Action.ROLE_EDIT):
            self._try(lambda: machine.delete_role(self.book, asker(self.book, who), role, AT))

    @rule(who=st.sampled_from(NAMES), whom=st.sampled_from([*NAMES, "root"]), role=st.sampled_from(ROLES))
    def give_role(self, who: str, whom: str, role: str) -> None:
        if self._may_edit(who, Action.USER_EDIT):
            self._change(who, ChangeUser(user=whom, role=role), None)

    @rule(who=st.sampled_from(NAMES), whom=st.sampled_from([*NAMES, "root"]))
    def set_password(self, who: str, whom: str) -> None:
        if self._may_edit(who, Action.USER_EDIT):
            above = not self.book.actions_of(whom) <= self.book.actions_of(who)
            before = self.book.users.get(whom)
            self._change(who, ChangeUser(user=whom, password="stolen-123"), "stolen")
            assert not above or self.book.users.get(whom) == before, "somebody took a greater one's account"

    @rule(who=st.sampled_from(NAMES), whom=st.sampled_from([*NAMES, "root"]), off=st.booleans())
    def set_status(self, who: str, whom: str, off: bool) -> None:
        if self._may_edit(who, Action.USER_EDIT):
            status = UserStatus.DISABLED if off else UserStatus.ACTIVE
            self._change(who, ChangeUser(user=whom, status=status), None)

    def _change(self, who: str, order: ChangeUser, stored: str | None) -> None:
        self._try(lambda: machine.change_user(self.book, asker(self.book, who), order, stored, AT, must_change=False))

    @rule(who=st.sampled_from(NAMES), name=st.sampled_from(NAMES), role=st.sampled_from(ROLES))
    def create_user(self, who: str, name: str, role: str) -> None:
        if self._may_edit(who, Action.USER_EDIT):
            order = CreateUser(username=name, password="secure123", role=role)
            self._try(lambda: machine.create_user(self.book, asker(self.book, who), order, "h", AT, must_change=False))

    @rule(who=st.sampled_from(NAMES), whom=st.sampled_from([*NAMES, "root"]))
    def delete_user(self, who: str, whom: str) -> None:
        if self._may_edit(who, Action.USER_EDIT):
            self._try(lambda: machine.delete_user(self.book, asker(self.book, who), whom, AT))

    @rule(who=st.sampled_from(NAMES), actions=st.lists(st.sampled_from(sorted(Action)), min_size=1, max_size=4))
    def create_token(self, who: str, actions: list[Action]) -> None:
        if self._may_edit(who, Action.TOKEN_CREATE):
            self.number += 1
            id = f"t{self.number}"
            order = CreateToken(name=id, actions=actions)
            self._try(lambda: machine.create_token(self.book, asker(self.book, who), order, id, "p", AT, LATER))

    @invariant()
    def nobody_has_gained(self) -> None:
        for name in NAMES:
            assert self.book.actions_of(name) <= self.held
        for id, token in self.book.tokens.items():
            identity = self.book.identify(LoginKind.TOKEN, id, "", NOW) if self._alive(token.user) else None
            assert identity is None or set(identity.actions) <= self.book.actions_of(token.user)
        assert self.book.actions_of("root") == frozenset(Action), "the administrator was harmed"

    def _alive(self, name: str) -> bool:
        user = self.book.users.get(name)
        return user is not None and user.active


Climbers.TestCase.settings = settings(
    max_examples=examples(125), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_nobody_climbs = Climbers.TestCase


def test_somebody_who_can_administer_remains() -> None:
    two = book(root="admin", other="admin")
    root = asker(two, "root")
    change = machine.change_user(
        two, root, ChangeUser(user="other", status=UserStatus.DISABLED), None, AT, must_change=False
    )
    two.apply(change)
    other = Asker(user="other", actions=frozenset(Action))  # as an answer from before would have it
    for decide in (
        lambda: machine.delete_user(two, other, "root", AT),
        lambda: machine.change_user(two, other, ChangeUser(user="root", role="operator"), None, AT, must_change=False),
        lambda: machine.set_role(
            two, Asker(user="system", actions=frozenset(Action)), SetRole(role="admin", permissions={}), AT
        ),
    ):
        with pytest.raises(Refusal) as refused:
            decide()
        assert refused.value.code is ErrorCode.CONFLICT


def test_who_has_a_name_that_is_reserved_since_is_a_user_like_others() -> None:
    assert is_a_part("Core") and is_a_part("system") and is_reserved("Remote") and not is_a_part("Remote")


@pytest.mark.parametrize(
    "name", ["system", "ring_timeout", "t0123456789abcdef", "extension_failed", "Remote", "config", "presence"]
)
def test_the_platforms_own_names_are_not_given(name: str) -> None:
    directory = book(root="admin")
    order = CreateUser(username=name, password="secure123", role="operator")
    with pytest.raises(Refusal) as refused:
        machine.create_user(directory, asker(directory, "root"), order, "h", AT, must_change=False)
    assert refused.value.code is ErrorCode.INVALID_PARAMS


def test_patch_changes_only_what_it_names() -> None:
    directory = book(root="admin", x="operator")
    order = ChangeUser(user="x", email="x@example.com")
    assert order.role is UNSET
    event = machine.change_user(directory, asker(directory, "root"), order, None, AT, must_change=True)
    directory.apply(event)
    user = directory.users["x"]
    assert (user.email, user.role, user.password_hash, user.must_change_password) == (
        "x@example.com", "operator", "h", False,
    )  # fmt: skip
    assert event.ends_sessions is False


def test_an_extension_is_one_users_and_stays_with_what_else_changes() -> None:
    directory = book(root="admin", a="operator", b="operator")
    root = asker(directory, "root")

    def change(user: str, **fields: object) -> None:
        order = ChangeUser(user=user, **fields)  # type: ignore[arg-type]
        directory.apply(machine.change_user(directory, root, order, None, AT, must_change=False))

    change("a", extension="601")
    change("a", email="a@example.com")
    assert directory.user_view("a", NOW).extension == "601"
    with pytest.raises(Refusal) as refused:
        change("b", extension="601")
    assert refused.value.code is ErrorCode.CONFLICT
    change("a", extension=None)
    change("b", extension="601")
    assert directory.user_view("a", NOW).extension is None
    for wrong in ("", "601,30", "601&602", "601@elsewhere", "PJSIP/601", "6 01", "601\n", "601\r\nAction: x", "6" * 41):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"user": "a", "extension": wrong}, ChangeUser)


def test_an_extension_is_one_that_the_dialplan_for_them_has() -> None:
    """`_X!` of docs/trunks.md: all that begins with a digit. Those on record from before stay as they are."""
    new = {"username": "a", "password": "secure123", "role": "o"}
    for good in ("6", "0", "601", "601-desk_B"):
        assert msgspec.convert({"user": "a", "extension": good}, ChangeUser).extension == good
        assert msgspec.convert({**new, "extension": good}, CreateUser).extension == good
    for wrong in ("alice", "s", "h", "_6", "-601", "X01"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"user": "a", "extension": wrong}, ChangeUser)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**new, "extension": wrong}, CreateUser)
    assert msgspec.convert({"user": "a", "extension": "alice"}, ExtensionFound).extension == "alice"
    assert msgspec.convert({"call_id": "c_1", "operator": "a", "extension": "alice"}, JoinCall)


def test_a_deleted_user_has_no_sessions_and_no_tokens() -> None:
    directory = book(root="admin", x="supervisor")
    directory.apply(SessionOpened(session="s", at=AT, user="x", address="", expires_at=LATER))
    order = CreateToken(name="t", actions=[Action.CALL_VIEW])
    directory.apply(machine.create_token(directory, asker(directory, "x"), order, "t1", "p", AT, LATER))
    assert directory.identify(LoginKind.SESSION, "s", "", NOW).user == "x"
    directory.apply(machine.delete_user(directory, asker(directory, "root"), "x", AT))
    for kind, id in ((LoginKind.SESSION, "s"), (LoginKind.TOKEN, "t1"), (LoginKind.PASSWORD, "x")):
        with pytest.raises(Refusal):
            directory.identify(kind, id, "", NOW)


def test_a_session_counts_while_the_password_that_it_was_with_does() -> None:
    directory = book(root="admin", x="operator")
    mark = directory.users["x"].password_mark

    def opened(id: str, mark: str) -> bool:
        directory.apply(SessionOpened(session=id, at=AT, user="x", address="", expires_at=LATER, password=mark))
        return id in directory.sessions

    assert opened("right", mark) and opened("of an earlier version", "") and not opened("wrong", "0" * 16)
    reset = ChangeUser(user="x", password="another one")
    directory.apply(machine.change_user(directory, asker(directory, "root"), reset, "h2", AT, must_change=False))
    assert directory.sessions == {} and not opened("late", mark)
    assert opened("new", directory.users["x"].password_mark)
    directory.apply(machine.delete_user(directory, asker(directory, "root"), "x", AT))
    assert not opened("of nobody", "")


@pytest.mark.parametrize(
    ("given", "after", "expected"),
    [
        (2, 0, SessionRefreshed),
        (1, 5, type(None)),
        (1, 11, SessionClosed),
        (0, 1, SessionClosed),
        (9, 1, SessionClosed),
    ],
)
def test_a_refresh_token_is_good_once(given: int, after: int, expected: type) -> None:
    session = Session(
        id="s", user="x", opened_at=AT, expires_at=LATER, generation=2, refreshed_at="2026-06-01T00:00:00Z"
    )
    now = datetime(2026, 6, 1, 0, 0, after, tzinfo=UTC)
    assert type(machine.refresh(session, given, AT, now)) is expected
