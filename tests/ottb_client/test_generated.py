"""The client has a method for each route and each room, as the contract is now."""

import inspect
import tomllib

from gateway.openapi import name_of
from gateway.python_client import PACKAGE, files
from gateway.surface import LIVE, ROUTES
from ottb_client import Client, Live

OWN = tomllib.loads((PACKAGE / "pyproject.toml").read_text())
OURS = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())


def test_what_is_generated_is_of_the_contract_as_it_is() -> None:
    written = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.glob("routes/*.py")}
    written["rooms.py"] = (PACKAGE / "rooms.py").read_text()
    assert written == files(), "the contract has changed: make client"


def test_every_route_and_every_room_is_a_method() -> None:
    assert all(callable(getattr(Client, name_of(route))) for route in ROUTES if not route.signing)
    assert all(inspect.iscoroutinefunction(getattr(Live, room.kind.room)) for room in LIVE)


def test_no_two_routes_have_one_name() -> None:
    assert len({name_of(route) for route in ROUTES}) == len(ROUTES)


def test_the_package_of_its_own_is_whole_and_asks_for_what_we_ask_for() -> None:
    inside = {path.parent for top in ("bus_schemas", "ottb_client") for path in (PACKAGE.parent / top).rglob("*.py")}
    assert {*OWN["tool"]["setuptools"]["packages"]} == {
        ".".join(folder.relative_to(PACKAGE.parent).parts) for folder in inside
    }
    assert {*OWN["project"]["dependencies"]} <= {*OURS["project"]["dependencies"]}
    assert OWN["project"]["version"] == OURS["project"]["version"]
