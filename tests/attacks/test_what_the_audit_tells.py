"""Somebody who may edit users and roles does what the audit shall not show: a new password for another, rights for a
role, a service token that may do much. Or somebody refreshes a session of another's and says to be somebody else."""

from typing import Any

import msgspec
import pytest

from actors.point import machine
from actors.runtime import alike
from bus_schemas.audit import AUDIT_RECORDED, AuditEntry, AuditRecorded
from bus_schemas.crm import ASSIGN_LEADS, AssignLeads, LeadFilter, LeadsAssigned
from bus_schemas.lead import LeadStatus
from bus_schemas.permissions import MODULES
from gateway.auditor import LONGEST_LIST
from gateway.auditor import subject_of as subject_on_audit
from tests.support.attacked import MAKER, PASSWORD, Attacked, attacked_point

SECRET = "never on the audit"
NEW = {"username": "zoe", "password": SECRET, "role": "operator", "must_change_password": False}
EVERYTHING = {module: [*verbs, *sorted(set().union(*verbs.values()))] for module, verbs in MODULES.items()}


def told(attacked: Attacked) -> list[AuditEntry]:
    """The audit, as it was written."""
    written = [entry.data for entry in attacked.broker.journal if entry.subject == AUDIT_RECORDED.subject]
    assert not any(SECRET.encode() in data for data in written)
    return [entry for data in written for entry in msgspec.json.decode(data, type=AuditRecorded).entries]


async def subject_of(attacked: Attacked, token: str, method: str, path: str, body: Any) -> tuple[int, Any]:
    status, _ = await attacked.ask(method, path, token, body)
    return status, told(attacked)[-1].subject


async def test_a_changed_user_is_on_the_audit_with_what_was_changed() -> None:
    async with attacked_point() as attacked:
        token = await attacked.login()
        await attacked.ask("POST", "/api/users", token, NEW)
        changes: list[tuple[dict[str, Any], str]] = [
            ({"password": SECRET + "!"}, "password"),
            ({"email": None}, "email"),
            ({"password": SECRET + "?", "end_tokens": True}, "password end_tokens"),
            ({"must_change_password": True, "status": "disabled"}, "status must_change_password"),
        ]
        for body, changed in changes:
            status, subject = await subject_of(attacked, token, "PATCH", "/api/users/zoe", body)
            assert (status, subject["user"], subject["changed"]) == (200, "zoe", changed), subject
        status, subject = await subject_of(attacked, token, "PATCH", f"/api/users/{MAKER}", {"password": SECRET})
        assert (status, subject["changed"]) == (403, "password")  # what was tried, too
        print(f"{len(changes)} changes of a user, {len(changes)} told, 0 passwords")


async def test_what_a_role_or_a_service_token_may_do_is_on_the_audit() -> None:
    async with attacked_point() as attacked:
        token = await attacked.login()
        hidden = {"OTTB": ["read"] * 60 + ["shell"], "POINT": ["write", "write"]}
        status, subject = await subject_of(attacked, token, "POST", "/api/roles/odd", {"permissions": hidden})
        assert (status, subject["permissions"]) == (200, "OTTB: read shell; POINT: write"), subject
        status, subject = await subject_of(attacked, token, "POST", "/api/roles/odd", {"permissions": EVERYTHING})
        assert status == 200 and subject["permissions"].endswith(" webhook.view")  # nothing of it is cut off
        many = {f"{number:02}" + "M" * 62: ["v" * 64] * 64 for number in range(12)}
        status, subject = await subject_of(attacked, token, "POST", "/api/roles/odd", {"permissions": many})
        assert status == 400 and len(subject["permissions"]) <= LONGEST_LIST
        body = {"name": "p", "actions": ["slot.view", "call.view", "slot.view"]}
        status, subject = await subject_of(attacked, token, "POST", "/api/tokens", body)
        assert (status, subject["actions"]) == (201, "call.view slot.view")
        print(f"3 roles and 1 service token told, of at most {LONGEST_LIST} characters each")


@pytest.mark.parametrize("beside", [False, True])
async def test_a_refresh_is_its_owners_whoever_else_is_named_beside_it(
    beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "REFRESH_GRACE", -1.0)  # what comes a second time is stolen
    async with attacked_point() as attacked:
        root = await attacked.login()
        await attacked.ask("POST", "/api/users", root, NEW | {"password": PASSWORD})
        _, given = await attacked.ask("POST", "/api/auth/login", None, {"username": "zoe", "password": PASSWORD})
        session = next(reversed(attacked.point.journal.directory.sessions))
        heard = []
        for _ in range(2):
            body = {"refresh_token": given["refresh_token"]}
            status, _ = await attacked.ask("POST", "/api/auth/refresh", root if beside else None, body)
            entry = told(attacked)[-1]
            heard.append((status, entry.result, entry.user, entry.credential))
        owner = ("zoe", f"session:{session}")
        assert heard == [(200, "OK", *owner), (401, "AUTH_FAIL", *owner)], heard
        assert entry.subject == {"ended_session": session}
        body = {"refresh_token": _forged(given["refresh_token"])}
        status, _ = await attacked.ask("POST", "/api/auth/refresh", root if beside else None, body)
        assert (status, told(attacked)[-1].user) == (401, MAKER if beside else "")  # which says nothing of zoe
        print(f"1 rotation, 1 repeat of it and 1 forged token, beside the bearer of {MAKER}: {beside}; each is told so")


async def test_a_refresh_token_that_comes_again_is_told_as_its_users_among_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So many strangers have tried in this minute that theirs are not told apart any more."""
    monkeypatch.setattr(alike, "KINDS_OF_STRANGERS", 0)
    async with attacked_point() as attacked:
        root = await attacked.login()
        for name in ("zoe", "max"):
            await attacked.ask("POST", "/api/users", root, NEW | {"username": name, "password": PASSWORD})
        users = []
        for name in ("max", "zoe"):
            _, given = await attacked.ask("POST", "/api/auth/login", None, {"username": name, "password": PASSWORD})
            for _ in range(2):  # the second time it changes nothing, and is answered
                status, _ = await attacked.ask(
                    "POST", "/api/auth/refresh", None, {"refresh_token": given["refresh_token"]}
                )
                assert status == 200
            users.append([one.user for one in told(attacked) if one.action == "POST /api/auth/refresh"][-2:])
        assert users == [["max", "max"], ["zoe", "zoe"]], users
        print("2 refresh tokens that came again: each is told as its user's")


def _forged(token: str) -> str:
    head, payload, signature = token.split(".")
    return ".".join((head, payload, signature[::-1]))


def test_which_leads_were_assigned_is_on_the_audit() -> None:
    reply = msgspec.json.encode(LeadsAssigned(matched=3, changed=2, more=False))

    def told_of(**wanted: Any) -> dict[str, str | int]:
        return subject_on_audit(ASSIGN_LEADS, AssignLeads(filter=LeadFilter(**wanted), assigned_seller="ann"), reply)

    subject = told_of(status=LeadStatus.NEW, text='львів"} {', campaign_id="c1")
    assert subject["filter"] == '{"status":"new","campaign_id":"c1","text":"львів\\"} {"}'
    assert (subject["assigned_seller"], subject["matched"], subject["changed"]) == ("ann", 3, 2)
    assert told_of()["filter"] == "{}"  # all that one sees
    unseen = "\u202e\u0000"
    longest = told_of(text=64 * unseen, number=32 * unseen, outcome=32 * unseen, disposition=96 * unseen)["filter"]
    assert isinstance(longest, str) and len(longest) == LONGEST_LIST and not {*unseen} & {*longest}
