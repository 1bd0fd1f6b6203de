"""Failing calls and the trunk that they are made through: whose they were, and to which numbers, counts."""

from msgspec.structs import replace

from actors.telephony.reports import CallPhase, CallSeen
from actors.trunk import machine
from actors.trunk.failing import FAILED_DOWN, FAILED_FOR, OF_ONE, REST
from bus_schemas.trunk import TrunkState
from tests.trunk.test_machine import CONFIG, World


def busy_world() -> World:
    return World(replace(CONFIG, channels=100))


def rang(world: World, call_id: str, user: str) -> None:
    world.book(call_id, user)
    world.tell(CallSeen(ref=call_id, phase=CallPhase.ALERTING))


def test_a_number_that_fails_again_and_again_counts_once() -> None:
    world = busy_world()
    for number in range(4 * FAILED_DOWN):
        world.now += 1
        world.fail(f"c_{number}", "op", "+380990000000")
        assert world.state == (TrunkState.WARN, "the last call failed")
    world.book("c_op", "op")
    world.book("c_other", "other")


def test_one_users_failing_calls_stop_nobody_else_who_calls_too() -> None:
    world = busy_world()
    rang(world, "c_other", "other")
    for number in range(3 * FAILED_DOWN):
        world.now += 200  # longer than any rest
        rang(world, f"c_other{number}", "other")
        for bad in range(FAILED_DOWN):
            world.fail(f"c_{number}_{bad}")
        assert world.state == (TrunkState.WARN, f"calls to {FAILED_DOWN} numbers in a row failed")
        assert world.refused("op")["rule"] == "trunk_down"  # whoever has them rests alone
        world.book(f"c_again{number}", "other")


def test_numbers_of_several_users_stop_the_trunk() -> None:
    world = busy_world()
    for number in range(OF_ONE + 1):
        world.fail(f"c_a{number}", "a")
    world.fail("c_b0", "b")
    assert world.state[0] is TrunkState.WARN  # three of a's count, and one of b's
    world.fail("c_b1", "b")
    assert world.state[0] is TrunkState.DOWN


def test_a_number_that_two_users_call_is_no_more_than_one() -> None:
    world = busy_world()
    for number in range(FAILED_DOWN - 1):
        world.fail(f"c_a{number}", "a", f"+38099000000{number}")
        world.fail(f"c_b{number}", "b", f"+38099000000{number}")
    assert world.state == (TrunkState.WARN, f"calls to {FAILED_DOWN - 1} numbers in a row failed")


def test_a_trunk_that_one_user_stopped_lets_another_try_and_is_well() -> None:
    world = busy_world()
    for number in range(FAILED_DOWN):
        world.fail(f"c_{number}")
    assert world.state[0] is TrunkState.DOWN  # nobody else calls, so theirs are all there is
    rang(world, "c_other", "other")
    assert world.state == (TrunkState.OK, None)
    world.book("c_op")


def test_a_trial_is_one_call_and_not_to_a_number_that_failed() -> None:
    world = busy_world()
    for call in ("a0", "a1", "a2", "b0", "b1"):
        world.fail(f"c_{call}", call[0], f"+{call}")
    assert world.state[0] is TrunkState.DOWN
    assert world.refused("c", "+a0")["rule"] == "trunk_down"
    world.book("c_1", "c")
    assert world.refused("c")["retry_after"] == 1.0  # the first has not shown yet
    world.tell(CallSeen(ref="c_1", phase=CallPhase.ACTIVE))
    assert world.state == (TrunkState.OK, None)


def test_the_rest_of_who_failed_doubles_with_each_number() -> None:
    world = busy_world()
    for call in ("a0", "a1", "a2", "b0", "b1", "c_c0"):
        world.fail(f"c_{call}", call[0])
    for failed in range(1, 4):
        rest = REST * 2 ** (failed - 1)
        assert world.refused("c")["retry_after"] == rest
        world.now += rest - 0.5
        assert world.refused("c")["retry_after"] == 0.5
        world.now += 0.5
        world.fail(f"c_c{failed}", "c")
    assert world.state[0] is TrunkState.DOWN


def test_one_failing_call_a_minute_does_not_keep_a_trunk_down() -> None:
    world = busy_world()
    for number in range(FAILED_DOWN):
        world.fail(f"c_{number}")
    for minute in range(10):
        world.now += 60
        if machine.wait(world.trunk, world.live, "op", None, world.now) == 0:  # type: ignore[arg-type]
            world.fail(f"c_more{minute}")
    rang(world, "c_other", "other")
    assert world.state == (TrunkState.OK, None)


def test_what_the_pbx_says_counts_whoever_asks() -> None:
    world = busy_world()
    world.tell(machine.PbxLink(up=False, detail="cut"))
    told = world.refused("somebody new")
    assert (told["reason"], "retry_after" in told) == ("cut", False)


def test_what_is_remembered_of_failing_calls_is_bounded() -> None:
    world = busy_world()
    for number in range(200):
        world.now += 20
        for user in ("a", "b"):
            if machine.wait(world.trunk, world.live, user, None, world.now) == 0:  # type: ignore[arg-type]
                world.fail(f"c_{user}{number}", user)
    assert not world.live.failing.open and len(world.live.failing.failures) <= 2 * FAILED_DOWN
    world.now += FAILED_FOR + 1
    world.tell(machine.TimerFired(name=machine.JUDGE))
    assert not world.live.failing.failures and not world.live.failing.callers
