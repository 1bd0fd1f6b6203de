"""The control API of a virtual PBX (JSON, loopback): what reached it, and faults on demand.

`GET /calls`, `GET /dials`, `GET /received`, `GET /log` (every call there was), `POST /{order}`: cut, freeze, thaw,
restart, contact, refuse, extension, pass_on, registration.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta
from msgspec.structs import asdict

from bus_schemas.errors import ErrorCode, Refusal, misfit
from bus_schemas.fields import CallId, SlotId, TrunkName
from simulators.orders import Plain, no_such, order_of, refusing
from simulators.pbx.channel import channel_fields
from simulators.pbx.troubles import EXTENSIONS, MISSING
from simulators.pbx.troubles import Refusal as Refused
from simulators.pbx.virtual_pbx import VirtualPbx

LOGGED = ("id", "endpoint", "number", "exten", "created", "rung", "answered", "ended", "ender", "cause")


class Contact(Plain, frozen=True, kw_only=True):
    """How a provider's address stands; `number`: of several."""

    endpoint: TrunkName
    status: Literal["Reachable", "Unreachable", "NonQualified", "Unknown", "Created", "Removed"]
    number: Annotated[int, Meta(ge=1, le=9)] = 1


class Refuse(Refused, frozen=True, kw_only=True):
    """How the provider ends the next `calls`, after those that were ordered before; 0: none any more."""

    calls: Annotated[int, Meta(ge=0, le=10_000)] = 1


class Extension(Plain, frozen=True, kw_only=True):
    """What dialling an extension comes to: a slot's, or an operator's that is a number."""

    slot: SlotId
    state: Annotated[str, Meta(max_length=20)]


class PassOn(Plain, frozen=True, kw_only=True):
    """A call that is transferred, or parked."""

    call: CallId


class Registration(Plain, frozen=True, kw_only=True):
    """How our registration with a provider stands."""

    endpoint: TrunkName
    status: Literal["Registered", "Rejected", "Unregistered", "Stopped"]


def _freeze(pbx: VirtualPbx, _: Plain) -> None:
    pbx.frozen = True


def _thaw(pbx: VirtualPbx, _: Plain) -> None:
    pbx.frozen = False


def _contact(pbx: VirtualPbx, order: Contact) -> None:
    _must_be_trunk(pbx, order.endpoint)
    pbx.contact(order.endpoint, order.status, order.number)


def _registration(pbx: VirtualPbx, order: Registration) -> None:
    _must_be_trunk(pbx, order.endpoint)
    if pbx.calls.trunks[order.endpoint].registration is None:
        raise misfit("endpoint", "its trunk in the settings names no `registration` that could change.")
    pbx.registration(order.endpoint, order.status)


def _must_be_trunk(pbx: VirtualPbx, endpoint: str) -> None:
    if endpoint not in pbx.calls.trunks:
        raise misfit("endpoint", f"there is none of this name; there are {', '.join(pbx.calls.trunks)}.")


def _refuse(pbx: VirtualPbx, order: Refuse) -> None:
    how = {name: value for name, value in asdict(order).items() if name != "calls"}
    pbx.calls.refusals = [*pbx.calls.refusals, *[Refused(**how)] * order.calls] if order.calls else []


def _extension(pbx: VirtualPbx, order: Extension) -> None:
    if order.state not in {*EXTENSIONS, MISSING}:
        raise misfit("state", f"there is no such state; there are {', '.join((*EXTENSIONS, MISSING))}.")
    pbx.calls.extensions[str(order.slot)] = order.state


def _pass_on(pbx: VirtualPbx, order: PassOn) -> None:
    channel = pbx.calls.find(order.call)
    if channel is None or channel.answered is None:
        raise Refusal(ErrorCode.CONFLICT, "`call`: no such call, or nobody has answered it.", field="call")
    pbx.calls.pass_on(channel)


ORDERS: Mapping[str, tuple[type[Plain], Callable[[VirtualPbx, Any], None]]] = {
    "cut": (Plain, lambda pbx, _: pbx.cut()),
    "freeze": (Plain, _freeze),
    "thaw": (Plain, _thaw),
    "restart": (Plain, lambda pbx, _: pbx.restart()),
    "contact": (Contact, _contact),
    "refuse": (Refuse, _refuse),
    "extension": (Extension, _extension),
    "pass_on": (PassOn, _pass_on),
    "registration": (Registration, _registration),
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

    async def order(request: web.Request) -> web.Response:
        name = request.match_info["order"]
        if name not in ORDERS:
            raise no_such("order", name, ORDERS)
        kind, act = ORDERS[name]
        act(pbx, await order_of(request, kind))
        return web.json_response({"done": True})

    app = web.Application(middlewares=[refusing])
    app.router.add_get("/calls", calls)
    app.router.add_get("/dials", dials)
    app.router.add_get("/received", received)
    app.router.add_get("/log", every_call)
    app.router.add_post("/{order}", order)
    return app
