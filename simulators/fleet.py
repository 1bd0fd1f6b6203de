"""A fleet of virtual phones in one process, with a control API on loopback for faults and for the judge's log.

`python -m simulators.fleet --config config/sandbox.toml` serves one phone for each slot whose serial is an address
of this machine. Control API (JSON): `GET /phones`, `GET /phones/{id}`, `POST /phones/{id}/{fault}`,
`GET /dials`, `POST /scale`.
"""

import argparse
import asyncio
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from actors.runtime.logging import configure
from actors.settings import Settings, load
from simulators.adb_device import Auth
from simulators.android import AmFault, Identity
from simulators.telephony import PhoneCall
from simulators.virtual_phone import VirtualPhone

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1

# Models of the sandbox, by slot number. Slot 44 is the documented A52.
MODELS = (
    Identity(serial="", model="A14", product="a14nsxx", release=14),
    Identity(serial="", model="Redmi 9", product="lancelot", brand="Xiaomi", release=11, sims=2),
    Identity(serial="", model="Pixel 6", product="oriole", brand="google", release=14),
    Identity(serial="", model="J7", product="j7velte", release=9),
)
A52 = Identity(serial="", model="A52", product="a52qnsxx", release=14)


def identity_of(slot: int, region: str | None) -> Identity:
    """What the sandbox's phone in a slot is: always the same."""
    model = A52 if slot == 44 else MODELS[slot % len(MODELS)]
    return Identity(
        serial=f"OTTBSIM{slot:04d}",
        model=model.model,
        product=model.product,
        brand=model.brand,
        release=model.release,
        region=region or "UA",
        sims=model.sims,
    )


class Fleet:
    """The phones of one process, by slot number."""

    def __init__(self, phones: Mapping[int, VirtualPhone]) -> None:
        self.phones = phones

    @classmethod
    def of(cls, settings: Settings) -> "Fleet":
        """One phone for each slot on this machine's loopback address."""
        phones = {}
        for slot in settings.slots:
            address, colon, port = (slot.serial or "").partition(":")
            if colon and address == "127.0.0.1":
                phones[slot.id] = VirtualPhone(
                    identity=identity_of(slot.id, slot.region), port=int(port), scale=settings.sandbox.time_scale
                )
        return cls(phones)

    async def start(self) -> None:
        for phone in self.phones.values():
            await phone.plug()

    async def stop(self) -> None:
        for phone in self.phones.values():
            await phone.__aexit__()


Fault = Callable[[VirtualPhone, Mapping[str, Any]], Awaitable[None]]


async def _unauthorized(phone: VirtualPhone, _: Mapping[str, Any]) -> None:
    phone.auth = Auth.PROMPT
    await phone.drop()


async def _set(phone: VirtualPhone, values: Mapping[str, Any]) -> None:
    """Set figures: battery (percent), temperature (degrees), in_service, sim, slow (seconds), truncate, am_fault,
    appears_after (seconds)."""
    android = phone.android
    android.level = int(values.get("battery", android.level))
    android.tenths = int(float(values.get("temperature", android.tenths / 10)) * 10)
    android.sim = str(values.get("sim", android.sim))
    phone.telephony.in_service = bool(values.get("in_service", phone.telephony.in_service))
    phone.slow = float(values.get("slow", phone.slow))
    phone.truncate = bool(values.get("truncate", phone.truncate))
    android.appears_after = float(values.get("appears_after", android.appears_after))
    if "am_fault" in values:
        android.am_fault = AmFault(values["am_fault"]) if values["am_fault"] else None


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
        totals: dict[str, int] = {}
        for one in fleet.phones.values():
            for number, count in one.dials.items():
                totals[number] = totals.get(number, 0) + count
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


async def serve(settings: Settings) -> None:
    """Serve the fleet until SIGTERM or SIGINT."""
    fleet = Fleet.of(settings)
    await fleet.start()
    runner = web.AppRunner(control(fleet), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.sandbox.control_port).start()
    log.info("virtual phones are up", phones=len(fleet.phones), control=settings.sandbox.control_port)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()
    await fleet.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--die-with-parent", action="store_true")
    arguments = parser.parse_args()
    if arguments.die_with_parent:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    settings = load(config=arguments.config, environment=os.environ)
    configure(level=settings.log.level, service="phones")
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
