"""Who ended what, and when: a virtual phone's log and a virtual PBX's log read as the judge needs them."""

import asyncio

from bus_schemas.call import EndReason
from simulators.device.chronicle import DeviceCall, Ender, Source
from simulators.pbx import actions
from simulators.pbx.channel import Trunk
from simulators.pbx.control import LOGGED
from simulators.pbx.virtual_pbx import VirtualPbx
from simulators.phone.android import Identity
from simulators.phone.fleet import identity_of
from simulators.phone.virtual_phone import VirtualPhone
from tests.faults.witness import calls_of_pbx, calls_of_phone

SLOW, FAST = 1.0, 0.02
A14: Identity = identity_of(11, "UA")


def now() -> float:
    return asyncio.get_running_loop().time()


def told(phone: VirtualPhone) -> list[DeviceCall]:
    log = [{name: getattr(line, name) for name in line.__dataclass_fields__} for line in phone.log]
    return calls_of_phone("slot-11", log, 0.0)


def order(phone: VirtualPhone, number: str) -> None:
    phone._dialled(number)
    phone._happened(phone.telephony.dial(number, now()))


async def test_a_phone_tells_who_ended_each_call() -> None:
    async with VirtualPhone(identity=A14, scale=FAST) as phone:
        order(phone, "+380501230006")  # answers, and the far end hangs up
        await asyncio.sleep(0.3)
        order(phone, "+380501230007")  # answers, and the platform presses END
        await asyncio.sleep(0.1)
        phone.android.run(["input", "keyevent", "6"])
        order(phone, "+380501234567")  # somebody ends it on the screen
        phone.hang_up()
    remote, ours, hand = told(phone)
    assert {call.source for call in (remote, ours, hand)} == {Source.ORDER}
    assert (remote.ender, remote.reason) == (Ender.REMOTE, EndReason.HANGUP_REMOTE)
    assert remote.answered is not None and remote.ended is not None and 0.04 <= remote.ended - remote.answered <= 0.2
    assert (ours.ender, ours.reason) == (Ender.US, EndReason.HANGUP_LOCAL)
    assert (hand.ender, hand.reason, hand.answered) == (Ender.HAND, EndReason.HANGUP_LOCAL, None)


async def test_a_phone_tells_whose_each_call_is() -> None:
    async with VirtualPhone(identity=A14, scale=SLOW) as phone:
        phone.incoming("+380441112233")
        phone.android.run(["input", "keyevent", "6"])  # what must never happen is seen
        phone.dial_by_hand("+380441112244")
        phone.hang_up()
    incoming, by_hand = told(phone)
    assert (incoming.source, incoming.ender) == (Source.INCOMING, Ender.US)
    assert (by_hand.source, by_hand.ender) == (Source.HAND, Ender.HAND)


async def test_a_pbx_tells_of_every_call() -> None:
    pbx = VirtualPbx(user="u", secret="s", trunks={"trunk-1": Trunk()}, scale=FAST)

    class Deaf:
        def send(self, lines: object) -> None: ...

    for number in ("+380501230001", "+380501230006", "+380501234567"):
        fields = {"channel": f"PJSIP/{number}@trunk-1", "channelid": f"c_{number[-4:]}"}
        fields |= {"context": "ottb-slots", "exten": "11"}
        actions.originate(pbx.calls, Deaf(), fields, {})  # type: ignore[arg-type]
    await asyncio.sleep(0.3)
    actions.hang_up(pbx.calls, Deaf(), {"channel": "c_4567"}, {})  # type: ignore[arg-type]
    log = [{name: getattr(channel, name) for name in LOGGED} for channel in pbx.calls.log]
    busy, remote, ours = calls_of_pbx(log, {"trunk-1": "main"}, 0.0)
    assert {call.line for call in (busy, remote, ours)} == {"trunk-main"} and busy.slot == 11
    assert (busy.ender, busy.reason, busy.answered) == (Ender.REMOTE, EndReason.BUSY, None)
    assert (remote.ender, remote.reason) == (Ender.REMOTE, EndReason.HANGUP_REMOTE)
    assert (ours.ender, ours.reason) == (Ender.US, EndReason.HANGUP_LOCAL)
    assert all(call.ended is not None for call in (busy, remote, ours))
    await pbx.stop()
