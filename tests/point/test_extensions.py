"""Where the PBX reaches a user, as other parts of the platform are told."""

from pathlib import Path

import pytest

from actors.runtime.context import Context
from actors.runtime.wire import ask
from bus_schemas.errors import ErrorCode, Refusal
from bus_schemas.user import FIND_EXTENSION, ExtensionFound, FindExtension
from simulators.bus.memory_bus import MemoryBus
from tests.support.whole import PASSWORD, whole_site


async def test_an_extension_is_found_unless_the_user_is_disabled(tmp_path: Path) -> None:
    async with whole_site(tmp_path) as site:
        await site.login()
        user = {"username": "op34", "password": PASSWORD, "role": "operator", "extension": "601"}
        assert (await site.ask("POST", "/api/users", user))[1]["extension"] == "601"
        bus, context = MemoryBus(site.broker), Context(command_id="k")

        async def told(name: str) -> ExtensionFound:
            return await ask(bus, FIND_EXTENSION, FindExtension(user=name), context)

        async def found(name: str) -> str | None:
            return (await told(name)).extension

        assert (await found("op34"), await found("root")) == ("601", None)
        assert (await told("op34")).active and (await told("root")).active
        await site.ask("PATCH", "/api/users/op34", {"email": "a@example.com"})
        await site.again()
        await site.login()
        assert await found("op34") == "601"
        await site.ask("PATCH", "/api/users/op34", {"status": "disabled"})
        assert await found("op34") is None and not (await told("op34")).active
        with pytest.raises(Refusal) as refused:
            await found("nobody")
        assert refused.value.code is ErrorCode.NOT_FOUND
