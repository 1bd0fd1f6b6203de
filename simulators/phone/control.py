"""The control API of a fleet (JSON, loopback): the judge's log of each phone, and faults on demand.

`GET /phones`, `GET /phones/{id}`, `POST /phones/{id}/{order}`, `POST /list`, `GET /dials`, `POST /scale`.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict as fields_of

from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.fields import shaped
from bus_schemas.slot import Iccid, SimOperator
from simulators.orders import Plain, no_such, order_of, refusing
from simulators.phone.adb_device import Auth
from simulators.phone.adb_front import Listed
from simulators.phone.android import AmFault, InputFault
from simulators.phone.dumps import Quirk
from simulators.phone.fleet import Fleet
from simulators.phone.screens import control as screens_control
from simulators.phone.screens.control import Screen
from simulators.phone.stuck import Hanging
from simulators.phone.telephony import PhoneCall
from simulators.phone.virtual_phone import VirtualPhone

Number = Annotated[str, shaped(r"^\+?[0-9*#]{1,32}$(?!\n)", "a number as it is dialled, like `+380441112233`")]
CallName = Annotated[str, shaped(r"^TC@[0-9]{1,9}$(?!\n)", "a call's name on the phone, like `TC@2`")]
SimState = Annotated[str, shaped(r"^[A-Z_]{1,32}$(?!\n)", "a SIM's state, like `READY` or `PIN_REQUIRED`")]
Line = Annotated[str, shaped(r"^[^\n]{0,400}$(?!\n)", "a line of adb's list")]
Seconds = Annotated[float, Meta(ge=0, le=600)]
Percent = Annotated[float, Meta(ge=0, le=100)]


class Incoming(Plain, frozen=True, kw_only=True):
    """Somebody calls the phone."""

    number: Number = "+380441112233"


class ByHand(Plain, frozen=True, kw_only=True):
    """Somebody dials on the phone itself."""

    number: Number = "+380441112244"


class HangUp(Plain, frozen=True, kw_only=True):
    """Somebody ends a call on the screen: `call` names it, else the one in the foreground."""

    call: CallName | None = None


class StepClock(Plain, frozen=True, kw_only=True):
    """The phone's clock is set by so many seconds."""

    seconds: Annotated[float, Meta(ge=-1e9, le=1e9)] = -3600


class Hang(Plain, frozen=True, kw_only=True):
    """Something of the phone answers no more: the `shells` that are open, the `connections` that are, or all shells of
    the `phone` until it restarts."""

    what: Hanging = "phone"


class Set(Plain, frozen=True, kw_only=True):
    """What the phone is from now on. What is not given stays. `battery` in percent (-1: it cannot tell),
    `temperature` in degrees; `battery_health` as BatteryManager counts (2: good); `signal` in bars; `mobile_bytes`
    since it started; percent of processor, memory and storage that are used. `sim_operator`, `iccid`: of its SIM."""

    battery: Annotated[int, Meta(ge=-1, le=100)] | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=-300, le=10000)] | UnsetType = UNSET
    battery_health: Annotated[int, Meta(ge=1, le=7)] | UnsetType = UNSET
    signal: Annotated[int, Meta(ge=0, le=4)] | UnsetType = UNSET
    network: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    roaming: bool | UnsetType = UNSET
    sim_operator: SimOperator | UnsetType = UNSET
    iccid: Iccid | UnsetType = UNSET
    cpu: Percent | UnsetType = UNSET
    ram: Percent | UnsetType = UNSET
    storage: Percent | UnsetType = UNSET
    mobile_bytes: Annotated[int, Meta(ge=0, le=10**15)] | UnsetType = UNSET
    in_service: bool | UnsetType = UNSET
    sim: SimState | UnsetType = UNSET
    slow: Seconds | UnsetType = UNSET
    truncate: bool | UnsetType = UNSET
    am_fault: AmFault | UnsetType | None = UNSET
    input_fault: InputFault | UnsetType | None = UNSET
    appears_after: Seconds | UnsetType = UNSET
    asks_for_sim: bool | UnsetType = UNSET
    takes_no_sim: bool | UnsetType = UNSET
    asks_for_app: bool | UnsetType = UNSET
    quirks: frozenset[Quirk] | UnsetType = UNSET


class List(Plain, frozen=True, kw_only=True):
    """Lines that adb's list has besides, of no phone here."""

    lines: tuple[Line, ...] = ()


class Scale(Plain, frozen=True, kw_only=True):
    """How long the carrier's times are: 0.1 makes it ten times as fast."""

    scale: Annotated[float, Meta(gt=0, le=1000)]


async def _unauthorized(phone: VirtualPhone) -> None:
    phone.auth = Auth.PROMPT
    await phone.drop()


async def _set(phone: VirtualPhone, order: Set) -> None:
    named = {"battery": "level", "temperature": "tenths"}
    for field, value in fields_of(order).items():
        name = named.get(field, field)
        parts = (phone, phone.telephony, phone.android, phone.android.vitals)
        part: Any = next(part for part in parts if hasattr(part, name))
        if field == "cpu" and value is not UNSET:
            phone.android.vitals.work(value, phone.android.uptime)
        elif value is not UNSET:
            setattr(part, name, round(value * 10) if field == "temperature" else value)


async def _hang_up(phone: VirtualPhone, order: HangUp) -> None:
    if order.call is not None and all(call.id != order.call for call in phone.telephony.live):
        raise Refusal(ErrorCode.CONFLICT, f"`call`: the phone is in no call {order.call}.", field="call")
    phone.hang_up(order.call)


async def _incoming(phone: VirtualPhone, order: Incoming) -> None:
    phone.incoming(order.number)


async def _by_hand(phone: VirtualPhone, order: ByHand) -> None:
    phone.dial_by_hand(order.number)


async def _hang(phone: VirtualPhone, order: Hang) -> None:
    phone.hang(order.what)


async def _screen(phone: VirtualPhone, order: Screen) -> None:
    screens_control.change(phone.android.screens, order)


async def _step_clock(phone: VirtualPhone, order: StepClock) -> None:
    phone.step_clock(order.seconds)


Act = Callable[[VirtualPhone, Any], Awaitable[None]]


def _plain(act: Callable[[VirtualPhone], Awaitable[None] | None]) -> tuple[type[Plain], Act]:
    async def fault(phone: VirtualPhone, _: Plain) -> None:
        done = act(phone)
        if done is not None:
            await done

    return Plain, fault


ORDERS: Mapping[str, tuple[type[Plain], Act]] = {
    "unplug": _plain(VirtualPhone.unplug),
    "plug": _plain(VirtualPhone.plug),
    "drop": _plain(VirtualPhone.drop),
    "freeze": _plain(VirtualPhone.freeze),
    "thaw": _plain(VirtualPhone.thaw),
    "hang": (Hang, _hang),
    "unauthorized": _plain(_unauthorized),
    "allow": _plain(VirtualPhone.allow),
    "drop_logcat": _plain(VirtualPhone.drop_logcat),
    "reboot": _plain(VirtualPhone.reboot),
    "incoming": (Incoming, _incoming),
    "answer": _plain(VirtualPhone.answer),
    "by_hand": (ByHand, _by_hand),
    "hold": _plain(VirtualPhone.hold),
    "swap": _plain(VirtualPhone.swap),
    "hang_up": (HangUp, _hang_up),
    "step_clock": (StepClock, _step_clock),
    "set": (Set, _set),
    "screen": (Screen, _screen),
}


def control(fleet: Fleet) -> web.Application:
    """The control API."""
    orders: Mapping[str, tuple[type[Plain], Act]] = {**ORDERS, "list": (Listed, fleet.list_as)}

    def the_phone(request: web.Request) -> VirtualPhone:
        id = request.match_info["id"]
        phone = fleet.phones.get(int(id)) if id.isdecimal() else None
        if phone is None:
            raise Refusal(ErrorCode.NOT_FOUND, "There is no such phone.")
        return phone

    async def phones(request: web.Request) -> web.Response:
        return web.json_response({id: _shown(phone) for id, phone in fleet.phones.items()})

    async def phone(request: web.Request) -> web.Response:
        one = the_phone(request)
        more = {"log": [asdict(line) for line in one.log], "screen": screens_control.shown(one.android.screens)}
        return web.json_response(_shown(one) | more)

    async def order(request: web.Request) -> web.Response:
        one, name = the_phone(request), request.match_info["order"]
        if name not in orders:
            raise no_such("order", name, orders)
        kind, act = orders[name]
        await act(one, await order_of(request, kind))
        return web.json_response({"done": True})

    async def list_besides(request: web.Request) -> web.Response:
        await fleet.list_besides((await order_of(request, List)).lines)
        return web.json_response({"done": True})

    async def dials(request: web.Request) -> web.Response:
        totals: Counter[str] = Counter()
        for one in fleet.phones.values():
            totals.update(one.dials)
        return web.json_response(totals)

    async def scale(request: web.Request) -> web.Response:
        value = (await order_of(request, Scale)).scale
        for one in fleet.phones.values():
            one.telephony.scale = value
        return web.json_response({"scale": value})

    app = web.Application(middlewares=[refusing])
    app.router.add_get("/phones", phones)
    app.router.add_get("/phones/{id}", phone)
    app.router.add_post("/phones/{id}/{order}", order)
    app.router.add_post("/list", list_besides)
    app.router.add_get("/dials", dials)
    app.router.add_post("/scale", scale)
    return app


def _shown(phone: VirtualPhone) -> dict[str, Any]:
    telephony = phone.telephony
    call = telephony.foreground
    return {
        "serial": phone.serial,
        "model": phone.identity.model,
        "android": phone.identity.release,
        "calls": len(telephony.live),
        "call": None if call is None else _call(call),
        "live": [_call(one) for one in telephony.live],
        "dials": phone.dials,
        "shows": phone.android.shows,
    }


def _call(call: PhoneCall) -> dict[str, Any]:
    return {"id": call.id, "number": call.number, "state": call.state, "foreign": call.foreign}
