"""What the ledger keeps: one line for each kind."""

from actors.ledger import (
    alert,
    all_leads,
    audit,
    call,
    campaign,
    dashboard,
    do_not_call,
    erasure,
    imports,
    log,
    monitor,
    note,
    operator,
    pipeline,
    script,
    slot,
    timeline,
    trunk,
    webhook,
)

READ_MODELS = (
    call.READ_MODEL,
    script.READ_MODEL,
    pipeline.READ_MODEL,
    slot.READ_MODEL,
    trunk.READ_MODEL,
    campaign.READ_MODEL,
    do_not_call.READ_MODEL,
    operator.READ_MODEL,
    imports.READ_MODEL,
    note.READ_MODEL,
    webhook.READ_MODEL,
    alert.READ_MODEL,
    erasure.READ_MODEL,
    all_leads.READ_MODEL,
    timeline.READ_MODEL,
    dashboard.READ_MODEL,
    audit.READ_MODEL,
)
PROJECTIONS = tuple(projection for model in READ_MODELS for projection in model.projections)
LOG_PROJECTIONS = log.READ_MODEL.projections  # of another stream, in a store of their own
FIGURES_PROJECTIONS = monitor.READ_MODEL.projections  # likewise
