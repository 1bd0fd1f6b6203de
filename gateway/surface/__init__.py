"""The whole surface: every HTTP route and every live update, joined from the kinds."""

from gateway.routes import AnyRoom, Part, Route
from gateway.surface import (
    alert,
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
    slot_files,
    slot_screen,
    trunk,
    usb,
    user,
    webhook,
)

ROUTES: tuple[Route, ...] = (
    *user.ROUTES, *audit.ROUTES, *slot.ROUTES, *slot_files.ROUTES, *slot_screen.ROUTES, *call.ROUTES, *trunk.ROUTES,
    *campaign.ROUTES, *do_not_call.ROUTES, *operator.ROUTES, *imports.ROUTES, *log.ROUTES,
    *note.ROUTES, *dashboard.ROUTES, *webhook.ROUTES, *erasure.ROUTES, *script.ROUTES, *monitor.ROUTES, *usb.ROUTES,
    *alert.ROUTES, *pipeline.ROUTES,
)  # fmt: skip
ROOMS: tuple[AnyRoom, ...] = (
    call.ROOM, slot.ROOM, trunk.ROOM, campaign.ROOM, do_not_call.ROOM, operator.ROOM, imports.ROOM,
    note.ROOM, webhook.ROOM, script.ROOM, usb.ROOM, alert.ROOM, pipeline.ROOM,
)  # fmt: skip
LIVE: tuple[AnyRoom, ...] = (*ROOMS, log.ROOM, dashboard.ROOM)  # also what comes from elsewhere than the journal


def routes_of(part: Part) -> tuple[Route, ...]:
    """What one of the four ports serves: its own rows, and WORKSPACE everybody's."""
    return tuple(route for route in ROUTES if part in (route.part, Part.WORKSPACE))
