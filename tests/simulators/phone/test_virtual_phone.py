"""What a virtual phone has on record of what is done on its screen."""

from simulators.phone.android import Identity
from simulators.phone.virtual_phone import VirtualPhone

NUMBER = "+380671112299"


async def test_a_dial_on_the_screen_is_in_the_judges_log() -> None:
    async with VirtualPhone(identity=Identity(serial="T1"), fork_delay=0) as phone:
        phone.android.place(NUMBER)
        assert phone.dials == {NUMBER: 1}
        assert [line.what for line in phone.log][:2] == ["dial", "CREATED"]
        phone.android.put_down(phone.telephony.live[0])
        assert "hangup" in [line.what for line in phone.log] and not phone.telephony.live


async def test_a_call_that_asks_for_a_sim_is_dialled_when_one_is_chosen() -> None:
    async with VirtualPhone(identity=Identity(serial="T1", sims=2), fork_delay=0) as phone:
        phone.telephony.asks_for_sim = True
        phone.android.place(NUMBER)
        assert phone.dials == {}  # a question is no dial
        phone.android.use_sim(2)
        phone.android.use_sim(1)  # there is none that asks any more
        assert phone.dials == {NUMBER: 1}


async def test_a_call_in_the_app_is_none_of_the_phone() -> None:
    async with VirtualPhone(identity=Identity(serial="T1"), fork_delay=0) as phone:
        screens = phone.android.screens
        phone.android.run(["am", "start", "-a", "android.intent.action.VIEW", "-d", f"tg://resolve?phone={NUMBER}"])
        screens.messenger._place()
        assert [line.what for line in screens.log][-1] == "app_call"
        assert not phone.log and not phone.dials
