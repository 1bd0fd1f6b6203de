"""Files, apps and logs of phones over HTTP."""

from typing import Any

from bus_schemas.slot_files import (
    FOLLOW_LOGCAT,
    INSTALL_APP,
    MOST,
    OPEN_PUSH,
    PULL_FILE,
    PUSH_FILE,
    UNINSTALL_APP,
    OpenPush,
)
from gateway.routes import Part, Passed, Route, Upload

P = Part


def _push(request: Any, size: int, _: int) -> OpenPush:  # any: of PUSH_FILE or INSTALL_APP
    return OpenPush(slot=request.slot, path=getattr(request, "path", None), size=size)


POURED = Upload(field="file", most=MOST, admit=OPEN_PUSH, ask=_push, poured=True)
FILES = "/api/slots/{slot}/files"

# fmt: off
ROUTES = (
    Route("GET",    FILES,                             PULL_FILE,     200, P.OTTB, passed=Passed.FILE),
    Route("PUT",    FILES,                             PUSH_FILE,     200, P.OTTB, upload=POURED),
    Route("POST",   "/api/slots/{slot}/apk",           INSTALL_APP,   200, P.OTTB, True, upload=POURED),
    Route("DELETE", "/api/slots/{slot}/apk/{package}", UNINSTALL_APP, 200, P.OTTB),
    Route("GET",    "/api/slots/{slot}/logcat",        FOLLOW_LOGCAT, 200, P.OTTB, passed=Passed.LINES),
)
# fmt: on
