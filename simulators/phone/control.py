"""The control API of a fleet (JSON, loopback): the judge's log of each phone, and faults on demand.

`GET /phones`, `GET /phones/{id}`, `POST /phones/{id}/{fault}`, `GET /dials`, `POST /scale`.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from simulators.phone.adb_device import Auth
from simulators.phone.android import AmFault, InputFault
from simulators.phone.dumps import Quirk
from simulators.phone.fleet import Fleet
from simulators.phone.telephony import PhoneCall
from simulators.phone.virtual_phone import VirtualPhone

Fault = Callable[[VirtualPhone, Mapping[str, Any]], Awaitable[None]]


async def _unauthorized(phone: VirtualPhone, _: Mapping[str, Any]) -> None:
    phone.auth = Auth.PROMPT
    await phone.drop()


async def _set(phone: VirtualPhone, values: Mapping[str, Any]) -> None:
    """Set figures: battery (percent), temperature (degrees), in_service, sim, slow (seconds), truncate, am_fault,
    input_fault, appears_after (seconds), asks_for_sim, takes_no_sim, asks_for_app, quirks (a list)."""
    android = phone.android
    android.level = int(values.get("battery", android.level))
    android.tenths = int(float(values.get("temperature", android.tenths / 10)) * 10)
    android.sim = str(values.get("sim", android.sim))
    phone.telephony.in_service = bool(values.get("in_service", phone.telephony.in_service))
    phone.telephony.asks_for_sim = bool(values.get("asks_for_sim", phone.telephony.asks_for_sim))
    android.takes_no_sim = bool(values.get("takes_no_sim", android.takes_no_sim))
    android.asks_for_app = bool(values.get("asks_for_app", android.asks_for_app))
    phone.slow = float(values.get("slow", phone.slow))
    phone.truncate = bool(values.get("truncate", phone.truncate))
    android.appears_after = float(values.get("appears_after", android.appears_after))
    android.quirks = frozenset(map(Quirk, values.get("quirks", android.quirks)))
    if "am_fault" in values:
        android.am_fault = AmFault(values["am_fault"]) if values["am_fault"] else None
    if "input_fault" in values:
        android.input_fault = InputFault(values["input_fault"]) if values["input_fault"] else None


def _plain(act: Callable[[VirtualPhone], Any]) -> Fault:
    async def fault(phone: VirtualPhone, _: Mapping[str, Any]) -> None:
        done = act(phone)
        if asyncio.iscoroutine(done):
            await done

    return fault


async def _incoming(phone: VirtualPhone, values: Mapping[str, Any]) -> None:
    phone.incoming(str(values.get("number", "+380441112233")))


async def _by_hand(phone: VirtualPhone, values: Mapping[str, Any]) -> None:
    phone.dial_by_hand(str(values.get("number", "+380441112244")))


async def _hang_up(phone: VirtualPhone, values: Mapping[str, Any]) -> None:
    """Somebody ends a call on the screen: `call` names it (`TC@2`), else the one in the foreground."""
    phone.hang_up(values.get("call"))


async def _step_clock(phone: VirtualPhone, values: Mapping[str, Any]) -> None:
    phone.step_clock(float(values.get("seconds", -3600)))


FAULTS: Mapping[str, Fault] = {
    "unplug": _plain(VirtualPhone.unplug),
    "plug": _plain(VirtualPhone.plug),
    "drop": _plain(VirtualPhone.drop),
    "freeze": _plain(VirtualPhone.freeze),
    "thaw": _plain(VirtualPhone.thaw),
    "unauthorized": _unauthorized,
    "allow": _plain(VirtualPhone.allow),
    "drop_logcat": _plain(VirtualPhone.drop_logcat),
    "reboot": _plain(VirtualPhone.reboot),
    "incoming": _incoming,
    "answer": _plain(VirtualPhone.answer),
    "by_hand": _by_hand,
    "hold": _plain(VirtualPhone.hold),
    "swap": _plain(VirtualPhone.swap),
    "hang_up": _hang_up,
    "step_clock": _step_clock,
    "set": _set,
}


def control(fleet: Fleet) -> web.Application:
    """The control API."""

    def the_phone(request: web.Request) -> VirtualPhone:
        id = request.match_info["id"]
        phone = fleet.phones.get(int(id)) if id.isdigit() else None
        if phone is None:
            raise web.HTTPNotFound(text="no such phone")
        return phone

    async def phones(request: web.Request) -> web.Response:
        return web.json_response({id: _shown(phone) for id, phone in fleet.phones.items()})

    async def phone(request: web.Request) -> web.Response:
        one = the_phone(request)
        return web.json_response(_shown(one) | {"log": [asdict(line) for line in one.log]})

    async def fault(request: web.Request) -> web.Response:
        act = FAULTS.get(request.match_info["fault"])
        if act is None:
            raise web.HTTPNotFound(text=f"no such fault; there are {', '.join(FAULTS)}")
        await act(the_phone(request), await request.json() if request.can_read_body else {})
        return web.json_response({"done": True})

    async def dials(request: web.Request) -> web.Response:
        totals: Counter[str] = Counter()
        for one in fleet.phones.values():
            totals.update(one.dials)
        return web.json_response(totals)

    async def scale(request: web.Request) -> web.Response:
        value = float((await request.json())["scale"])
        for one in fleet.phones.values():
            one.telephony.scale = value
        return web.json_response({"scale": value})

    app = web.Application()
    app.router.add_get("/phones", phones)
    app.router.add_get("/phones/{id}", phone)
    app.router.add_post("/phones/{id}/{fault}", fault)
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
    }


def _call(call: PhoneCall) -> dict[str, Any]:
    return {"id": call.id, "number": call.number, "state": call.state, "foreign": call.foreign}
