"""Which fields of the journal's events can say something of a person who is called, and how: said once, for erasures.

Whatever stands in no field of this table says who did what, to which thing, when and with what outcome: it is never
changed, whatever it looks like. So nobody chooses by the words of a lead what is cut out of the record.
"""

from collections.abc import Mapping
from enum import StrEnum

from bus_schemas.alert import ALERT_ACKNOWLEDGED, SILENCE_MADE
from bus_schemas.audit import AUDIT_RECORDED
from bus_schemas.call import CALL_DIALING, CALL_ENDED
from bus_schemas.campaign import (
    CAMPAIGN_ATTEMPT_CLAIMED,
    CAMPAIGN_ATTEMPT_ENDED,
    CAMPAIGN_ATTEMPT_JOINED,
    CAMPAIGN_ATTEMPT_OFFERED,
    CAMPAIGN_LEAD_CHANGED,
    CAMPAIGN_LEAD_MARKED,
    CAMPAIGN_LEAD_MERGED,
    CAMPAIGN_LEAD_SKIPPED,
    CAMPAIGN_LEAD_UNMERGED,
    CAMPAIGN_LEADS_ADDED,
    CAMPAIGN_LEADS_ASSIGNED,
)
from bus_schemas.contract import AnyTopic
from bus_schemas.do_not_call import DO_NOT_CALL_ADDED, DO_NOT_CALL_REMOVED
from bus_schemas.erasure import ERASURE_BEGUN
from bus_schemas.imports import IMPORT_CREATED, IMPORT_ENDED
from bus_schemas.note import NOTE_ADDED, NOTE_DELETED, NOTE_EDITED
from bus_schemas.operator import OPERATOR_CONNECTED, OPERATOR_DISPOSED
from bus_schemas.pipeline_events import (
    PIPELINE_APPROVED,
    PIPELINE_ENDED,
    PIPELINE_QUEUED,
    PIPELINE_STEP,
    PIPELINE_STOPPING,
)
from bus_schemas.script import RUN_ENDED, RUN_MOVED, RUN_QUEUED, RUN_STARTED
from bus_schemas.slot import SLOT_COMMAND_DONE, SLOT_COMMAND_STARTED
from bus_schemas.webhook import WEBHOOK_ADVANCED, WEBHOOK_CHANGED, WEBHOOK_CREATED

EACH = "*"  # in a path: whatever is in the list, or under any key


class Holds(StrEnum):
    """NUMBER: a number, or a text in which one may stand. TEXT: a text of people in which names may stand, too. LEAD:
    the id of a lead, which can be made of a number."""

    NUMBER = "number"
    TEXT = "text"
    LEAD = "lead"


N, T, L = Holds
Fields = Mapping[str, Holds]  # by their path, with `.` between its parts

_LEAD: Fields = {
    "numbers.*": N, "name": N, "source": N, "custom.*": N,
}  # fmt: skip
_CHANGE: Fields = {**_LEAD, "lead": L}
_OF_LEAD: Fields = {"lead": L}
# Of the audit, what its subject says: which lead, what was sought, how a file is called. Never the rest of an entry.
# Names are looked for in two of these only as far as people write there what they like (actors/erasure/redacting.py).
_AUDIT: Fields = {
    "lead": L, "duplicate": L, "filter": N, "reason": N, "path": N, "name": N,
}  # fmt: skip

PERSONAL: Mapping[AnyTopic, Fields] = {
    ALERT_ACKNOWLEDGED: {"note": T},
    SILENCE_MADE: {"why": T},
    AUDIT_RECORDED: {f"entries.*.subject.{name}": holds for name, holds in _AUDIT.items()},
    CALL_DIALING: {"number": N},
    CALL_ENDED: {"number": N, "cause": N},
    CAMPAIGN_LEADS_ADDED: {"leads.*.id": L, **{f"leads.*.{name}": holds for name, holds in _LEAD.items()}},
    CAMPAIGN_LEAD_CHANGED: _CHANGE,
    CAMPAIGN_LEAD_MERGED: {**_CHANGE, "merged": L},
    CAMPAIGN_LEAD_UNMERGED: {**_CHANGE, "restored": L},
    CAMPAIGN_LEAD_MARKED: _OF_LEAD,
    CAMPAIGN_LEAD_SKIPPED: _OF_LEAD,
    CAMPAIGN_LEADS_ASSIGNED: {"leads.*": L},
    CAMPAIGN_ATTEMPT_CLAIMED: {"lead": L, "number": N},
    CAMPAIGN_ATTEMPT_OFFERED: _OF_LEAD,
    CAMPAIGN_ATTEMPT_JOINED: _OF_LEAD,
    CAMPAIGN_ATTEMPT_ENDED: {"lead": L, "why": N},
    DO_NOT_CALL_ADDED: {"entries.*.entry": N, "entries.*.reason": T, "source": T},
    DO_NOT_CALL_REMOVED: {"entries.*": N},
    ERASURE_BEGUN: {"reason": N},
    IMPORT_CREATED: {"name": T},
    IMPORT_ENDED: {"reason": N},
    NOTE_ADDED: {"lead": L, "text": N},
    NOTE_EDITED: {"lead": L, "text": N},
    NOTE_DELETED: _OF_LEAD,
    OPERATOR_CONNECTED: _OF_LEAD,
    OPERATOR_DISPOSED: {"lead": L, "note": T},
    PIPELINE_QUEUED: {"parameters.*": T},
    PIPELINE_STEP: {"reason": N, "matrix.*": T, "slots.*.said": T, "artefacts.*.name": T},
    PIPELINE_APPROVED: {"comment": T},
    PIPELINE_STOPPING: {"reason": N},
    PIPELINE_ENDED: {"reason": N},
    RUN_QUEUED: {"given": N},
    RUN_STARTED: {"given": N},
    RUN_MOVED: {"position": N},
    RUN_ENDED: {"values.*": N, "reason": N},
    SLOT_COMMAND_STARTED: {"command": T},
    SLOT_COMMAND_DONE: {"output": T, "error": T},
    WEBHOOK_CREATED: {"filter.lead": L, "description": T},
    WEBHOOK_CHANGED: {"filter.lead": L, "description": T},
    WEBHOOK_ADVANCED: {"tries.*.response": T, "tries.*.error": N},
}  # fmt: skip
