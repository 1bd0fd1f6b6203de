"""Whether a phone may be dialled with: it is probed when it comes, and now and then, with what does no harm."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from actors.adapters import android_orders as orders
from actors.adapters.adb import AdbClient
from actors.slot.phone import PhoneError, PhoneUncertain, PhoneUnfit, PhoneUnreachable, Trouble, TroubleSeen

log = structlog.get_logger()

PROBE_TIMEOUT = 10.0  # seconds; `input` starts a virtual machine on the phone
PROBE_LIMIT = 16 * 1024
PROBE_EVERY = 600.0  # what is allowed may be forbidden again
PROBE_AGAIN = 15.0  # somebody may be mending it


_NO_SIM = "choose one for calls in its settings, or name it in the slot (`sim`), and restart the slot"
_UNKNOWN_SIM = "the slot's `sim` is none that it knows"


class Fitness:
    """The troubles of one phone on one connection: on the next one it is another phone, or the same one after somebody
    was at it. `tell` hears of what changes. Nobody dials before it was probed. `sim`: the SIM that calls are to go out
    by, as Telecom names its account; it keeps that, so it is set once when it comes."""

    def __init__(self, *, serial: str, sim: str | None, client: AdbClient, tell: Callable[[TroubleSeen], None]) -> None:
        self._serial = serial
        self._sim = sim
        self._client = client
        self._tell = tell
        self._troubles: dict[Trouble, str] = {}
        self._probed = False
        self._in_vain = False  # its key was pressed, and the call went on: no probe shows that
        self._asks = False  # it asked for a SIM, and nobody has chosen one since
        self._in_trouble = asyncio.Event()

    def tell_all(self) -> None:
        """Tell every trouble that it is in."""
        for trouble, words in self._troubles.items():
            if words:
                self._tell(TroubleSeen(trouble=trouble, words=words))

    async def check(self) -> None:
        """Raises PhoneUnfit where the phone must not be dialled with; PhoneUnreachable where that cannot be told."""
        if not self._probed:
            await self._probe()
        if words := self._words():
            raise PhoneUnfit(f"{self._serial}: {words}")

    async def keep_probing(self) -> None:
        """Probe it for as long as it is there, and soon after it got into trouble."""
        while True:
            self._in_trouble.clear()
            try:
                await self._probe()
            except PhoneError as error:
                log.debug("phone not probed", serial=self._serial, error=str(error))
            if self._probed and not self._words():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_EVERY):  # `wait_for` may lose that it was cancelled
                        await self._in_trouble.wait()
            if not self._probed or self._words():
                await asyncio.sleep(PROBE_AGAIN)

    def does_not_hang_up(self, why: str, *, in_vain: bool = False) -> None:
        """It was told to end a call, and did not."""
        self._in_vain = self._in_vain or in_vain
        log.error("phone does not hang up", serial=self._serial, why=why)
        self._set(Trouble.HANG_UP, why)

    def asks_for_a_sim(self) -> None:
        """A call waits for somebody to choose a SIM."""
        self._asks = True
        self._set(Trouble.SIM, _UNKNOWN_SIM if self._sim else _NO_SIM)

    def asks_for_an_app(self, chooser: str) -> None:
        """It would show this for a call, or (empty) nothing."""
        self._set(Trouble.APP, chooser and f"choose a default phone app in its settings ({chooser})")

    def showed_something_else(self, words: str) -> None:
        """What it showed was put away; the next probe lets it be tried again."""
        self._set(Trouble.SCREEN, words)

    def doubted(self, why: str) -> None:
        """Its name leads to other phones as well, or (no words) no longer."""
        self._set(Trouble.SHARED, why)

    async def _probe(self) -> None:
        answer = await self._ask(orders.PROBE)
        probed = orders.read_probe(answer)
        if probed is None:
            raise PhoneUnreachable(f"{self._serial}: no whole answer to a probe: {answer[:200]}")
        not_set = ""
        if self._sim is not None and not self._probed:
            said = orders.read_sim(await self._ask(orders.sim_line(self._sim)))
            not_set = f"SIM {self._sim} was not set: {said}" if said else ""
        self._probed = not not_set
        refusal, chooser = probed
        if not self._in_vain:
            self._set(Trouble.HANG_UP, refusal)
        self.asks_for_an_app(chooser)
        self._set(Trouble.SCREEN, "")
        if not self._asks:
            self._set(Trouble.SIM, not_set)

    async def _ask(self, line: str) -> str:
        try:
            done = await self._client.ask(self._serial, line, timeout=PROBE_TIMEOUT, max_output=PROBE_LIMIT)
        except PhoneUncertain as error:
            raise PhoneUnreachable(str(error)) from None
        return done.output.strip()

    def _set(self, trouble: Trouble, why: str) -> None:
        words = f"{trouble.value}: {why}" if why else ""
        if self._troubles.get(trouble, "") != words:
            self._troubles[trouble] = words
            self._tell(TroubleSeen(trouble=trouble, words=words))
        if words:
            self._in_trouble.set()

    def _words(self) -> str:
        return "; ".join(words for words in self._troubles.values() if words)
