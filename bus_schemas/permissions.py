"""The action names, the modules they are granted by, and the built-in roles.

A role stores what the interface documents, verbs by module (`{"OTTB": ["read", "write"]}`), and resolves to
actions by the one table here. Single actions may be listed beside the verbs.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from bus_schemas.errors import misfit


class Access(StrEnum):
    """What a line that is open to others needs, where no single action is asked for."""

    PUBLIC = "public"
    OPTIONAL = "optional"  # whoever is logged in is known, and nobody has to be
    LOGGED_IN = "logged in"
    SIGNED = "signed"  # whoever has signed what they send, with a secret that whoever answers knows


class Action(StrEnum):
    """What somebody may be allowed to do. Every route names one, or says that it needs none."""

    CALL_START = "call.start"
    CALL_END = "call.end"
    CALL_END_ANY = "call.end_any"  # also calls that others started
    CALL_VIEW = "call.view"
    CALL_VIEW_ANY = "call.view_any"  # also calls of others
    CALL_RECORDING = "call.recording"  # hear what was said
    CALL_DISPOSITION = "call.disposition"  # say what came of a call that one was on
    OPERATOR_VIEW = "operator.view"
    OPERATOR_VIEW_ANY = "operator.view_any"  # also others
    OPERATOR_SET = "operator.set"  # the own status
    OPERATOR_SUPERVISE = "operator.supervise"  # others' status and campaigns
    SLOT_VIEW = "slot.view"
    SLOT_VIEW_ANY = "slot.view_any"  # also slots that belong to others
    SLOT_USE_ANY = "slot.use_any"  # also slots that belong to others
    SLOT_RESTART = "slot.restart"
    SLOT_REBOOT = "slot.reboot"
    SLOT_SHELL = "slot.shell"
    SLOT_CONFIGURE = "slot.configure"
    SLOT_SCREEN = "slot.screen"  # see a phone's screen
    SLOT_TOUCH = "slot.touch"  # tap, swipe, type and press keys on it, and record that as a script
    SLOT_RESERVE = "slot.reserve"  # keep a slot for oneself, for work by hand
    SLOT_RESERVE_ANY = "slot.reserve_any"  # also end what others have reserved
    SLOT_PULL = "slot.pull"  # take files from a phone
    SLOT_PUSH = "slot.push"  # put files on a phone
    SLOT_APPS = "slot.apps"  # install and remove apps
    SLOT_LOGCAT = "slot.logcat"  # follow a phone's own log
    SCRIPT_VIEW = "script.view"  # the scripts there are, and the runs that one has started
    SCRIPT_VIEW_ANY = "script.view_any"  # also runs of others, and the screens they failed at
    SCRIPT_RUN = "script.run"  # run scripts on phones, and stop the runs that one has started
    SCRIPT_STOP_ANY = "script.stop_any"  # also runs that others have started
    SCRIPT_USSD = "script.ussd"  # run scripts that send service codes to the network
    TRUNK_VIEW = "trunk.view"
    CAMPAIGN_VIEW = "campaign.view"
    CAMPAIGN_VIEW_ANY = "campaign.view_any"  # also campaigns of others, with their leads
    CAMPAIGN_RUN = "campaign.run"  # run, pause, resume and stop
    CAMPAIGN_EDIT = "campaign.edit"  # settings, and what becomes of a lead
    CAMPAIGN_IMPORT = "campaign.import"  # put lists of leads into campaigns, and see what is in those files
    CAMPAIGN_EXPORT = "campaign.export"  # take all leads away as a table
    MONITOR_VIEW = "monitor.view"  # how the hosts are together and their hubs, and the slots that one sees
    MONITOR_HOSTS = "monitor.hosts"  # each host by itself: its processes, disks and records
    ALERT_VIEW = "alert.view"  # what somebody should look at, on all hosts
    ALERT_ACKNOWLEDGE = "alert.acknowledge"  # say that one looks after an alert
    ALERT_SILENCE = "alert.silence"  # have alerts told to nobody for a while
    HUB_POWER = "hub.power"  # switch ports of USB hubs off and on
    METRICS_VIEW = "metrics.view"  # the gateway's figures for Prometheus
    DO_NOT_CALL_VIEW = "do_not_call.view"
    DO_NOT_CALL_EDIT = "do_not_call.edit"  # put numbers on do-not-call lists and take them off
    PIPELINE_VIEW = "pipeline.view"
    PIPELINE_RUN = "pipeline.run"
    PIPELINE_STOP = "pipeline.stop"  # also runs that others have begun
    PIPELINE_APPROVE = "pipeline.approve"  # let a step go on that waits for somebody to say so
    PIPELINE_EDIT = "pipeline.edit"  # make pipelines: what stands in one is run on a host
    LEAD_VIEW = "lead.view"  # the leads of all campaigns in one list
    LEAD_VIEW_ANY = "lead.view_any"  # also those of others' campaigns
    LEAD_EDIT = "lead.edit"  # add leads one by one, and change those that one sees
    LEAD_ERASE = "lead.erase"  # erase a person, wherever something is known of them
    LOG_VIEW = "log.view"  # events of the platform's log that one has sent
    LOG_VIEW_ANY = "log.view_any"  # also those of others, and of the platform itself
    LOG_WRITE = "log.write"
    NOTE_VIEW = "note.view"
    NOTE_VIEW_ANY = "note.view_any"  # also those of others' calls and leads
    NOTE_WRITE = "note.write"
    WEBHOOK_VIEW = "webhook.view"
    WEBHOOK_VIEW_ANY = "webhook.view_any"  # also those of others, to switch them off and delete them
    WEBHOOK_MANAGE = "webhook.manage"  # have events posted to addresses
    DASHBOARD_VIEW = "dashboard.view"
    USER_VIEW = "user.view"
    USER_EDIT = "user.edit"
    ROLE_VIEW = "role.view"
    ROLE_EDIT = "role.edit"
    TOKEN_CREATE = "token.create"  # service tokens for programs, with no more than the maker's own actions
    TOKEN_INTROSPECT = "token.introspect"  # ask what a token is worth that somebody has shown
    AUDIT_VIEW = "audit.view"


A = Action
MODULES: Mapping[str, Mapping[str, frozenset[Action]]] = {
    "OTTB": {
        "read": frozenset({
            A.SLOT_VIEW, A.CALL_VIEW, A.TRUNK_VIEW, A.CAMPAIGN_VIEW, A.OPERATOR_VIEW, A.MONITOR_VIEW, A.SCRIPT_VIEW
        }),
        "write": frozenset({A.CALL_START, A.CALL_END, A.SLOT_RESTART, A.OPERATOR_SET, A.CALL_DISPOSITION}),
        "read_all": frozenset({
            A.SLOT_VIEW_ANY, A.CALL_VIEW_ANY, A.CAMPAIGN_VIEW_ANY, A.OPERATOR_VIEW_ANY, A.DO_NOT_CALL_VIEW,
            A.NOTE_VIEW_ANY, A.LEAD_VIEW_ANY, A.WEBHOOK_VIEW_ANY, A.SCRIPT_VIEW_ANY, A.MONITOR_HOSTS,
            A.ALERT_VIEW,
        }),
        "supervise": frozenset({
            A.CALL_END_ANY, A.SLOT_USE_ANY, A.OPERATOR_SUPERVISE, A.DO_NOT_CALL_EDIT, A.SLOT_RESERVE_ANY,
            A.SCRIPT_STOP_ANY, A.ALERT_ACKNOWLEDGE, A.ALERT_SILENCE,
        }),
        "script": frozenset({A.SCRIPT_RUN}),
        "ussd": frozenset({A.SCRIPT_USSD}),
        "listen": frozenset({A.CALL_RECORDING}),
        "campaign": frozenset({A.CAMPAIGN_RUN, A.CAMPAIGN_EDIT, A.CAMPAIGN_IMPORT, A.CAMPAIGN_EXPORT}),
        "maintain": frozenset({
            A.SLOT_REBOOT, A.SLOT_CONFIGURE, A.HUB_POWER, A.ALERT_ACKNOWLEDGE, A.ALERT_SILENCE,
        }),
        "by_hand": frozenset({A.SLOT_SCREEN, A.SLOT_TOUCH, A.SLOT_RESERVE}),
        "files": frozenset({A.SLOT_PULL, A.SLOT_PUSH, A.SLOT_APPS, A.SLOT_LOGCAT}),
        "shell": frozenset({A.SLOT_SHELL}),
        "metrics": frozenset({A.METRICS_VIEW}),
    },
    "DCI": {
        "read": frozenset({A.PIPELINE_VIEW, A.LOG_VIEW}),
        "read_all": frozenset({A.LOG_VIEW_ANY}),
        "write": frozenset({A.LOG_WRITE}),
        "run": frozenset({A.PIPELINE_RUN, A.PIPELINE_STOP}),
        "approve": frozenset({A.PIPELINE_APPROVE}),
        "edit": frozenset({A.PIPELINE_EDIT}),
    },
    "WORKSPACE": {
        "view": frozenset({
            A.CALL_VIEW, A.SLOT_VIEW, A.NOTE_VIEW, A.LEAD_VIEW, A.DASHBOARD_VIEW, A.OPERATOR_VIEW, A.WEBHOOK_VIEW
        }),
        "call": frozenset({A.CALL_START, A.CALL_END, A.OPERATOR_SET, A.CALL_DISPOSITION}),
        "script": frozenset({A.SCRIPT_VIEW, A.SCRIPT_RUN}),
        "note": frozenset({A.NOTE_WRITE}),
        "lead": frozenset({A.LEAD_EDIT}),
        "erase": frozenset({A.LEAD_ERASE}),
        "webhook": frozenset({A.WEBHOOK_VIEW, A.WEBHOOK_MANAGE}),
    },
    "POINT": {
        "read": frozenset({A.USER_VIEW, A.ROLE_VIEW}),
        "write": frozenset({A.USER_EDIT, A.ROLE_EDIT}),
        "token": frozenset({A.TOKEN_CREATE}),
        "introspect": frozenset({A.TOKEN_INTROSPECT}),
        "audit": frozenset({A.AUDIT_VIEW}),
    },
}

Permissions = Mapping[str, Sequence[str]]

BUILT_IN_ROLES: Mapping[str, Permissions] = {
    "admin": {module: tuple(verbs) for module, verbs in MODULES.items()},
    "supervisor": {
        "OTTB": ("read", "read_all", "write", "supervise", "listen", "campaign", "by_hand", "script"),
        "DCI": ("read", "read_all", "write", "approve"),
        "WORKSPACE": ("view", "call", "note", "lead", "webhook"),
        "POINT": ("read", "token"),
    },
    "operator": {
        "OTTB": ("read",),
        "DCI": ("read", "write", "run"),
        "WORKSPACE": ("view", "call", "script", "note", "lead"),
    },
    "devops": {
        "OTTB": (
            "read", "slot.view_any", "monitor.hosts", "alert.view", "write", "maintain", "shell", "metrics", "by_hand",
            "files", "script",
        ),
        "DCI": ("read", "read_all", "write", "run", "approve", "edit"),
        "WORKSPACE": ("view", "webhook"),
        "POINT": ("token", "introspect"),
    },
    "auditor": {
        "OTTB": ("read", "read_all", "listen"),
        "DCI": ("read", "read_all"),
        "WORKSPACE": ("view",),
        "POINT": ("read", "audit"),
    },
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
        raise misfit("permissions", "no such module.", module=module, known=sorted(MODULES))
    if verb in known:
        return known[verb]
    of_module = frozenset[Action]().union(*known.values())
    if verb in of_module:  # a single action, beside the verbs
        return frozenset({Action(verb)})
    raise misfit(
        "permissions", "no such permission in this module.", module=module, permission=verb, known=sorted(known)
    )
