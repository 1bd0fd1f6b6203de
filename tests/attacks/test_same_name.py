"""A user is deleted, and somebody else gets the name: nothing that was said to the one is said to the other."""

from actors.runtime.context import Context
from actors.runtime.service import Service, serve
from actors.runtime.wire import ask
from bus_schemas.call import START_CALL, CallStarted, CallState, StartCall
from bus_schemas.user import CREATE_USER, DELETE_USER, CreateUser, DeleteUser
from gateway.errors import REPLAYED
from tests.support.attacked import PASSWORD, Attacked, attacked_point

NAME, KEY = "zoe", {"Idempotency-Key": "once"}
BODY = {"number": "+380991234567"}


async def newcomer(attacked: Attacked) -> str:
    """An access token of a new user of the name."""
    context = attacked.context
    order = CreateUser(username=NAME, password=PASSWORD, role="supervisor", must_change_password=False)
    await ask(attacked.bus, CREATE_USER, order, context)
    token = await attacked.login(NAME)
    attacked.context = context
    return token


async def call(attacked: Attacked, token: str) -> tuple[str, bool]:
    headers = {"Authorization": f"Bearer {token}", **KEY}
    async with attacked.http.post(f"{attacked.url}/api/call/start", json=BODY, headers=headers) as answer:
        said = await answer.json()
        assert answer.status == 201, said
        return said["call_id"], REPLAYED in answer.headers


async def test_a_new_user_of_a_name_gets_no_answer_of_the_one_before() -> None:
    async def start(request: StartCall, context: Context) -> CallStarted:
        return CallStarted(call_id=context.command_id, slot=44, state=CallState.RING)

    async with attacked_point() as attacked:
        calls = Service(bus=attacked.bus, queue="calls", handlers=(serve(START_CALL, start),))
        await calls.start()
        seen: set[str] = set()
        for number in range(3):
            made, replayed = await call(attacked, await newcomer(attacked))
            assert not replayed and made not in seen
            assert await call(attacked, await attacked.login(NAME)) == (made, True)  # in whatever session
            seen.add(made)
            await attacked.login()
            await ask(attacked.bus, DELETE_USER, DeleteUser(user=NAME), attacked.context)
            assert len(seen) == number + 1
        await calls.stop()
        print(f"{len(seen)} users of one name with one key: 0 got the answer of another")
