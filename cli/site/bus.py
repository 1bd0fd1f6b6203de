"""The site's bus, for commands that run on its machine."""

from collections.abc import Callable

from actors.adapters.nats_bus import NatsBus
from actors.adapters.tls import client as client_tls
from actors.settings import Settings
from cli.site.secrets import secrets_of


async def connect(
    settings: Settings, user: str, *, name: str, on_error: Callable[[str], None] | None = None
) -> NatsBus:
    """Connect as one of the site's own users, or with the settings' user to a server of somebody else. `on_error` is
    told what the server refuses. Raises BusUnavailable."""
    own = settings.nats.url is None
    return await NatsBus.connect(
        settings.nats.address,
        name=name,
        user=user if own else settings.nats.user,
        password=secrets_of(settings.state)[user] if own else settings.nats.password,
        tls=client_tls(settings.nats),
        owner=settings.state.stat().st_uid if own else settings.nats.owner,
        on_error=on_error,
    )
