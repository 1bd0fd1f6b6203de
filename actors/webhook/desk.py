"""What the webhooks of one host share: how a body is signed, sent, and what came of it."""

from datetime import UTC, datetime

from msgspec import Struct

from actors.log.harmless import harmless
from actors.runtime.bus import Bus, Recorded
from actors.runtime.clock import Clock, utc
from actors.runtime.signature import EVENT_ID, SIGNATURE, sign
from actors.runtime.user_turns import UserTurns
from actors.webhook.news import News
from actors.webhook.record import Webhook
from actors.webhook.secrets import Secret, Secrets
from actors.webhook.sender import NotSent, Sender
from actors.webhook.settings import Webhooks
from bus_schemas.contract import ROOT

EVENTS = f"{ROOT}.evt."
TAKEN = range(200, 300)  # statuses by which a receiver takes what it got


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one try. `code`: 0 where there was no answer, and `error` says why. `response`: harmless."""

    code: int = 0
    error: str = ""
    response: str = ""
    ms: int = 0

    @property
    def taken(self) -> bool:
        return self.code in TAKEN


class Desk:
    """Of one host."""

    def __init__(
        self, *, bus: Bus, clock: Clock, sender: Sender, news: News, secrets: Secrets, settings: Webhooks
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._sender = sender
        self.news = news
        self.secrets = secrets
        self.settings = settings
        self._turns = UserTurns(settings.on_host_at_once)

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock.now().timestamp()

    async def post(self, webhook: Webhook, body: bytes, *, secret: Secret, event_id: str) -> Outcome:
        """Send a body once, when there is room for it."""
        async with self._turns.turn(object(), webhook.user):
            now, began = self.now(), self._clock.monotonic()
            headers = {SIGNATURE: sign(secret.good(now), body, int(now)), EVENT_ID: event_id}
            try:
                said = await self._sender.post(webhook.url, body, headers, user=webhook.user)
            except NotSent as error:
                return Outcome(error=str(error), ms=self._since(began))
            response = harmless(said.body.decode("utf-8", "replace"))
            return Outcome(code=said.code, response=response, ms=self._since(began))

    def _since(self, began: float) -> int:
        return round(1000 * (self._clock.monotonic() - began))

    async def entry(self, seq: int) -> Recorded | None:
        """An entry of the journal. None: it is not there. Raises BusError."""
        return self.news.recent.at(seq) or await self._bus.entry(seq)


def at(seconds: float) -> str:
    """A moment as it is put on record."""
    return utc(datetime.fromtimestamp(seconds, UTC)) if seconds else ""
