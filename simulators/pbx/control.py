"""The control API of a virtual PBX (JSON, loopback): what reached it, and faults on demand.

`GET /calls`, `GET /dials`, `GET /received`, `GET /log` (every call there was), `POST /{fault}`: cut, freeze, thaw,
restart, contact, refuse, extension, pass_on, registration.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simulators.pbx.channel import channel_fields
from simulators.pbx.troubles import EXTENSIONS, MISSING, refusals
from simulators.pbx.virtual_pbx import VirtualPbx

LOGGED = ("id", "endpoint", "number", "exten", "created", "rung", "answered", "ended", "ender", "cause")

Fault = Callable[[VirtualPbx, Mapping[str, Any]], None]


def _freeze(pbx: VirtualPbx, values: Mapping[str, Any]) -> None:
    pbx.frozen = True


def _thaw(pbx: VirtualPbx, values: Mapping[str, Any]) -> None:
    pbx.frozen = False


def _contact(pbx: VirtualPbx, values: Mapping[str, Any]) -> None:
    pbx.contact(str(values["endpoint"]), str(values["status"]), int(values.get("number", 1)))


def _refuse(pbx: VirtualPbx, values: Mapping[str, Any]) -> None:
    pbx.calls.refusals += refusals(values)


def _extension(pbx: VirtualPbx, values: Mapping[str, Any]) -> None:
    state = str(values["state"])
    if state not in {*EXTENSIONS, MISSING}:
        raise web.HTTPBadRequest(text=f"no such state; there are {', '.join((*EXTENSIONS, MISSING))}")
    pbx.calls.extensions[str(values["slot"])] = state


def _pass_on(pbx: VirtualPbx, values: Mapping[str, Any]) -> None:
    channel = pbx.calls.find(str(values["call"]))
    if channel is None or channel.answered is None:
        raise web.HTTPConflict(text="no such call, or nobody has answered it")
    pbx.calls.pass_on(channel)


FAULTS: Mapping[str, Fault] = {
    "cut": lambda pbx, values: pbx.cut(),
    "freeze": _freeze,
    "thaw": _thaw,
    "restart": lambda pbx, values: pbx.restart(),
    "contact": _contact,
    "refuse": _refuse,
    "extension": _extension,
    "pass_on": _pass_on,
    "registration": lambda pbx, values: pbx.registration(str(values["endpoint"]), str(values["status"])),
}


def control(pbx: VirtualPbx) -> web.Application:
    """The control API."""

    async def calls(request: web.Request) -> web.Response:
        channels = pbx.calls.channels.values()
        return web.json_response({one.id: channel_fields(one) | {"number": one.number} for one in channels})

    async def dials(request: web.Request) -> web.Response:
        return web.json_response(dict(pbx.calls.dials))

    async def received(request: web.Request) -> web.Response:
        return web.json_response(dict(pbx.received))

    async def every_call(request: web.Request) -> web.Response:
        return web.json_response([{name: getattr(channel, name) for name in LOGGED} for channel in pbx.calls.log])

    async def fault(request: web.Request) -> web.Response:
        act = FAULTS.get(request.match_info["fault"])
        if act is None:
            raise web.HTTPNotFound(text=f"no such fault; there are {', '.join(FAULTS)}")
        act(pbx, await request.json() if request.can_read_body else {})
        return web.json_response({"done": True})

    app = web.Application()
    app.router.add_get("/calls", calls)
    app.router.add_get("/dials", dials)
    app.router.add_get("/received", received)
    app.router.add_get("/log", every_call)
    app.router.add_post("/{fault}", fault)
    return app
