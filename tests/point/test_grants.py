"""What an identity may do on the bus, for any set of actions; and the questions of nats-server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.point import callout
from actors.point.callout import BadQuestion
from actors.point.grants import grants
from bus_schemas.permissions import Action
from bus_schemas.user import Identity, LoginKind

FORBIDDEN = ("ottb.v1.evt.point", "ottb.v1.write", "ottb.v1.cmd", "ottb.v1.qry", "$", "_INBOX_", ">", "*")


@given(
    kind=st.sampled_from(LoginKind),
    user=st.sampled_from(["op12", "own", "x-1"]),
    actions=st.sets(st.sampled_from(Action)),
)
def test_nobody_gets_more_than_their_own(kind: LoginKind, user: str, actions: set[Action]) -> None:
    identity = Identity(kind=kind, id="t1", user=user, role="r", actions=sorted(actions), expires_at=None)
    given = grants(identity)
    own = "ottb.v1.token.t1." if kind is LoginKind.TOKEN else f"ottb.v1.own.{user}."
    assert given.inbox == ("_INBOX.t.t1" if kind is LoginKind.TOKEN else f"_INBOX.u.{user}")
    assert all(subject.startswith((f"{own}cmd.", f"{own}qry.")) for subject in given.publish)
    for subject in given.subscribe:
        assert not subject.startswith(FORBIDDEN)
        assert subject.startswith(
            (f"{given.inbox}.>", "ottb.v1.evt.", "ottb.v1.tel.", "ottb.v1.shared.", "ottb.v1.own.", "ottb.v1.all.evt.")
        )
        if subject.startswith("ottb.v1.own."):
            assert subject.startswith(f"ottb.v1.own.{user}.")
    if not actions:
        assert given.publish == [] and given.subscribe == [f"{given.inbox}.>"]


@pytest.mark.parametrize("data", [b"", b"a.b.c", b"\xff", b"e30.e30.e30", b"e30.bnVsbA.AA", b"." * 50])
def test_what_is_no_question_is_not_answered(data: bytes) -> None:
    with pytest.raises(BadQuestion):
        callout.read(data)


def test_a_question_must_be_signed_by_who_it_says() -> None:
    seed, other = callout.new_seed(), callout.new_seed()
    claims = {"nats": {"connect_opts": {"user": "u", "pass": "p"}, "client_info": {}, "user_nkey": "U",
                       "server_id": {"id": "N"}}}  # fmt: skip
    good = callout._sign(claims, seed, 1)
    assert callout.read(good).name == "u"
    with pytest.raises(BadQuestion):
        callout.read(good[:-10] + b"AAAAAAAAAA")
    forged = callout._sign({**claims, "iss": callout.public_of(other)}, seed, 1)
    with pytest.raises(BadQuestion):
        callout.read(forged)
