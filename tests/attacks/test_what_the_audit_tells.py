"""Somebody who may edit users and roles does what the audit shall not show: a new password for another, rights for a
role, a service token that may do much."""

from typing import Any

import msgspec

from bus_schemas.audit import AUDIT_RECORDED, AuditEntry, AuditRecorded
from bus_schemas.permissions import MODULES
from gateway.auditor import LONGEST_LIST
from tests.support.attacked import MAKER, Attacked, attacked_point

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
        assert status == 200 and subject["permissions"].endswith(" slot.view view")  # nothing of it is cut off
        many = {f"{number:02}" + "M" * 62: ["v" * 64] * 64 for number in range(12)}
        status, subject = await subject_of(attacked, token, "POST", "/api/roles/odd", {"permissions": many})
        assert status == 400 and len(subject["permissions"]) <= LONGEST_LIST
        body = {"name": "p", "actions": ["slot.view", "call.view", "slot.view"]}
        status, subject = await subject_of(attacked, token, "POST", "/api/tokens", body)
        assert (status, subject["actions"]) == (201, "call.view slot.view")
        print(f"3 roles and 1 service token told, of at most {LONGEST_LIST} characters each")
