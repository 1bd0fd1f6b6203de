"""The screens of phones over HTTP."""

from bus_schemas.slot_screen import (
    PRESS_KEY,
    START_RECORDING,
    STOP_RECORDING,
    SWIPE_SCREEN,
    TAKE_SCREENSHOT,
    TAP_SCREEN,
    TYPE_ON_SCREEN,
    WATCH_SCREEN,
)
from gateway.routes import Part, Passed, Route

P = Part
SLOT = "/api/slots/{slot}"

# fmt: off
ROUTES = (
    Route("GET",    f"{SLOT}/screenshot", TAKE_SCREENSHOT, 200, P.OTTB, passed=Passed.PICTURE),
    Route("GET",    f"{SLOT}/live",       WATCH_SCREEN,    200, P.OTTB, passed=Passed.FRAMES),
    Route("POST",   f"{SLOT}/tap",        TAP_SCREEN,      200, P.OTTB, True),
    Route("POST",   f"{SLOT}/swipe",      SWIPE_SCREEN,    200, P.OTTB, True),
    Route("POST",   f"{SLOT}/type",       TYPE_ON_SCREEN,  200, P.OTTB, True),
    Route("POST",   f"{SLOT}/key",        PRESS_KEY,       200, P.OTTB, True),
    Route("POST",   f"{SLOT}/recording",  START_RECORDING, 200, P.OTTB, True),
    Route("DELETE", f"{SLOT}/recording",  STOP_RECORDING,  200, P.OTTB),
)
# fmt: on
