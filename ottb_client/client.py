"""The client of a site: a method for each of its routes, and what it tells live."""

from ottb_client.rooms import Rooms
from ottb_client.routes import Routes


class Live(Rooms):
    """A connection to what happens, for as long as `async with`: a method for each room."""


class Client(Routes):
    """A site, for as long as `async with`. Log in with `login`, or give a service token."""

    def live(self) -> Live:
        """Hear what happens, as whoever is logged in."""
        return Live(self)
