"""The site's bus, for commands that run on its machine."""

from collections.abc import Callable

from actors.adapters.nats_bus import NatsBus
from actors.adapters.tls import client as client_tls
from actors.runtime.bus import BusUnavailable
from actors.settings import Settings
from cli.site.ports import CannotStart
from cli.site.private import owner_of
from cli.site.secrets import secrets_of


async def connect(
    settings: Settings, user: str, *, name: str, on_error: Callable[[str], None] | None = None
) -> NatsBus:
    """Connect as one of the site's own users, or with the settings' user to a server of somebody else. `on_error` is
    told what the server refuses. Raises BusUnavailable."""
    nats, own = settings.nats, settings.nats.url is None
    try:
        owner = owner_of(settings.state) if own else nats.owner
        password = secrets_of(settings.state)[user] if own else nats.password
    except (CannotStart, OSError) as error:
        raise BusUnavailable(f"{error}") from None
    return await NatsBus.connect(
        nats.address,
        name=name,
        user=user if own else nats.user,
        password=password,
        tls=client_tls(nats),
        owner=owner,
        on_error=on_error,
    )
