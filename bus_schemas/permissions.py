"""The action names, the modules they are granted by, and the built-in roles.

A role stores what the interface documents, verbs by module (`{"OTTB": ["read", "write"]}`), and resolves to
actions by the one table here. Single actions may be listed beside the verbs.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from bus_schemas.errors import ErrorCode, Refusal


class Action(StrEnum):
    """What somebody may be allowed to do. Every route names one, or says that it needs none."""

    CALL_START = "call.start"
    CALL_END = "call.end"
    CALL_END_ANY = "call.end_any"  # also calls that others started
    CALL_VIEW = "call.view"
    SLOT_VIEW = "slot.view"
    SLOT_USE_ANY = "slot.use_any"  # also slots that belong to others
    SLOT_RESTART = "slot.restart"
    SLOT_REBOOT = "slot.reboot"
    SLOT_SHELL = "slot.shell"
    SLOT_CONFIGURE = "slot.configure"
    MONITOR_VIEW = "monitor.view"
    PIPELINE_VIEW = "pipeline.view"
    PIPELINE_RUN = "pipeline.run"
    NOTE_VIEW = "note.view"
    NOTE_WRITE = "note.write"
    DASHBOARD_VIEW = "dashboard.view"
    USER_VIEW = "user.view"
    USER_EDIT = "user.edit"
    ROLE_VIEW = "role.view"
    ROLE_EDIT = "role.edit"
    AUDIT_VIEW = "audit.view"


A = Action
MODULES: Mapping[str, Mapping[str, frozenset[Action]]] = {
    "OTTB": {
        "read": frozenset({A.SLOT_VIEW, A.CALL_VIEW, A.MONITOR_VIEW}),
        "write": frozenset({A.CALL_START, A.CALL_END, A.SLOT_RESTART}),
        "supervise": frozenset({A.CALL_END_ANY, A.SLOT_USE_ANY}),
        "maintain": frozenset({A.SLOT_REBOOT, A.SLOT_CONFIGURE}),
        "shell": frozenset({A.SLOT_SHELL}),
    },
    "DCI": {
        "read": frozenset({A.PIPELINE_VIEW}),
        "run": frozenset({A.PIPELINE_RUN}),
    },
    "WORKSPACE": {
        "view": frozenset({A.CALL_VIEW, A.SLOT_VIEW, A.NOTE_VIEW, A.DASHBOARD_VIEW}),
        "call": frozenset({A.CALL_START, A.CALL_END}),
        "note": frozenset({A.NOTE_WRITE}),
    },
    "POINT": {
        "read": frozenset({A.USER_VIEW, A.ROLE_VIEW}),
        "write": frozenset({A.USER_EDIT, A.ROLE_EDIT}),
        "audit": frozenset({A.AUDIT_VIEW}),
    },
}

Permissions = Mapping[str, Sequence[str]]

BUILT_IN_ROLES: Mapping[str, Permissions] = {
    "admin": {module: tuple(verbs) for module, verbs in MODULES.items()},
    "supervisor": {
        "OTTB": ("read", "write", "supervise"),
        "DCI": ("read",),
        "WORKSPACE": ("view", "call", "note"),
        "POINT": ("read",),
    },
    "operator": {"OTTB": ("read",), "DCI": ("read", "run"), "WORKSPACE": ("view", "call", "note")},
    "devops": {
        "OTTB": ("read", "write", "maintain", "shell"),
        "DCI": ("read", "run"),
        "WORKSPACE": ("view",),
    },
    "auditor": {"OTTB": ("read",), "DCI": ("read",), "WORKSPACE": ("view",), "POINT": ("read", "audit")},
}


def resolve(permissions: Permissions) -> frozenset[Action]:
    """The actions that verbs by module stand for. Raises Refusal(INVALID_PARAMS) for an unknown one."""
    actions: set[Action] = set()
    for module, verbs in permissions.items():
        for verb in verbs:
            actions |= _actions_of(module, verb)
    return frozenset(actions)


def _actions_of(module: str, verb: str) -> frozenset[Action]:
    known = MODULES.get(module)
    if known is None:
        raise Refusal(ErrorCode.INVALID_PARAMS, "No such module.", module=module, known=sorted(MODULES))
    if verb in known:
        return known[verb]
    of_module = frozenset[Action]().union(*known.values())
    if verb in of_module:
        return frozenset({Action(verb)})
    raise Refusal(
        ErrorCode.INVALID_PARAMS,
        "No such permission in this module.",
        module=module,
        permission=verb,
        known=sorted(known),
    )
