"""What webhooks can be subscribed to."""

from collections.abc import Mapping
from dataclasses import dataclass

from bus_schemas import call, campaign, do_not_call, imports, note, operator, script, slot, trunk
from bus_schemas.contract import AnyTopic
from bus_schemas.kinds import Kind


@dataclass(frozen=True)
class Subscribable:
    """What a webhook can hear of a kind: the events that its room tells of, under their names on the bus
    (`call.ended`), and the fields that narrow both. `tests/webhook/test_seeing.py` holds it against the rooms."""

    kind: Kind
    topics: tuple[AnyTopic, ...]
    narrows: tuple[str, ...]


SUBSCRIBABLE: Mapping[str, Subscribable] = {one.kind.name: one for one in (
    Subscribable(call.CALL, (
        call.CALL_DIALING, call.CALL_ALERTING, call.CALL_CONNECTED, call.CALL_JOINED, call.CALL_ENDING, call.CALL_ENDED,
    ), ("slot", "user", "call_id")),
    Subscribable(slot.SLOT, (
        slot.SLOT_CONFIGURED, slot.SLOT_REMOVED, slot.SLOT_LINKED, slot.SLOT_RESTARTING, slot.SLOT_COMMAND_STARTED,
        slot.SLOT_COMMAND_DONE, slot.SLOT_RESERVED, slot.SLOT_RESERVATION_ENDED,
    ), ("slot",)),
    Subscribable(trunk.TRUNK, (trunk.TRUNK_CHANGED,), ("trunk",)),
    Subscribable(campaign.CAMPAIGN, (
        campaign.CAMPAIGN_CREATED, campaign.CAMPAIGN_CONFIGURED, campaign.CAMPAIGN_STARTED, campaign.CAMPAIGN_PAUSED,
        campaign.CAMPAIGN_RESUMED, campaign.CAMPAIGN_DRAINING, campaign.CAMPAIGN_STOPPED, campaign.CAMPAIGN_FINISHED,
        campaign.CAMPAIGN_ARCHIVED, campaign.CAMPAIGN_LEAD_CHANGED, campaign.CAMPAIGN_LEAD_MERGED,
        campaign.CAMPAIGN_LEAD_UNMERGED, campaign.CAMPAIGN_LEADS_ASSIGNED,
    ), ("campaign",)),
    Subscribable(
        do_not_call.DO_NOT_CALL, (do_not_call.DO_NOT_CALL_ADDED, do_not_call.DO_NOT_CALL_REMOVED), ("list",)
    ),
    Subscribable(operator.OPERATOR, (
        operator.OPERATOR_CHANGED, operator.OPERATOR_CONNECTED, operator.OPERATOR_FREED, operator.OPERATOR_RESERVED,
        operator.OPERATOR_RELEASED, operator.OPERATOR_ASSIGNED, operator.OPERATOR_DISPOSED,
    ), ("user",)),
    Subscribable(imports.IMPORT, (
        imports.IMPORT_CREATED, imports.IMPORT_MAPPED, imports.IMPORT_EXAMINED, imports.IMPORT_STARTED,
        imports.IMPORT_CANCELLING, imports.IMPORT_ENDED,
    ), ("import_id",)),
    Subscribable(script.SCRIPT, (
        script.RUN_QUEUED, script.RUN_STARTED, script.RUN_MOVED, script.RUN_STOPPING, script.RUN_ENDED,
    ), ("slot", "script_id")),
    Subscribable(note.NOTE, (note.NOTE_ADDED, note.NOTE_EDITED, note.NOTE_DELETED), ("call_id", "campaign_id", "lead")),
)}  # fmt: skip


def name_of(topic: AnyTopic) -> str:
    """How an event is called, `call.ended`."""
    return f"{topic.kind}.{topic.verb}"


NAMES: Mapping[str, AnyTopic] = {name_of(topic): topic for one in SUBSCRIBABLE.values() for topic in one.topics}
