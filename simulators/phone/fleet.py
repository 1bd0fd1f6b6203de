"""The virtual phones of a sandbox, in one process."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.adapters.adb import AdbClient
from actors.sandbox import PHONES_AT
from actors.settings import Settings
from actors.slot.settings import Adb
from bus_schemas.errors import ErrorCode, Refusal
from simulators.phone.adb_front import AdbFront, Listed
from simulators.phone.adb_key import any_host, host_of
from simulators.phone.android import Identity
from simulators.phone.screens.profile import LARGE, SMALL, Language, Profile
from simulators.phone.virtual_phone import VirtualPhone

# Models of the sandbox, by slot number. Slot 44 is the documented A52.
MODELS = (
    Identity(serial="", model="A14", product="a14nsxx", release=14),
    Identity(serial="", model="Redmi 9", product="lancelot", brand="Xiaomi", release=11, sims=2),
    Identity(serial="", model="Pixel 6", product="oriole", brand="google", release=14),
    Identity(serial="", model="J7", product="j7velte", release=9),
)
A52 = Identity(serial="", model="A52", product="a52qnsxx", release=14)


def identity_of(slot: int, region: str | None) -> Identity:
    """What the sandbox's phone in a slot is: always the same."""
    model = A52 if slot == 44 else MODELS[slot % len(MODELS)]
    return Identity(
        serial=f"OTTBSIM{slot:04d}",
        model=model.model,
        product=model.product,
        brand=model.brand,
        release=model.release,
        region=region or "UA",
        sims=model.sims,
    )


def profile_of(slot: int) -> Profile:
    """How the screens of the sandbox's phone in a slot look: always the same, and all kinds among the slots."""
    language = Language.UKRAINIAN if slot // 2 % 2 else Language.ENGLISH
    return Profile(layout=1 + slot % 2, language=language, display=LARGE if slot // 4 % 2 else SMALL)


class Fleet:
    """The phones of one process, by slot number. `fronts`: of the adb servers that list them, where those are ours;
    `client`: of these servers."""

    def __init__(
        self, phones: Mapping[int, VirtualPhone], fronts: Sequence[AdbFront] = (), client: AdbClient | None = None
    ) -> None:
        self.phones = phones
        self.fronts = fronts
        self._client = client

    @classmethod
    def of(cls, settings: Settings) -> "Fleet":
        """One phone for each slot on this machine's loopback address."""
        phones, key = {}, settings.sandbox.adb_key
        known = host_of(Path(key)) if key else any_host
        for slot in settings.slots:
            address, colon, port = (slot.serial or "").partition(":")
            if colon and address == PHONES_AT:
                phones[slot.id] = phone = VirtualPhone(
                    identity=identity_of(slot.id, slot.region), port=int(port), scale=settings.sandbox.time_scale,
                    known=known,
                )  # fmt: skip
                phone.android.screens.profile = profile_of(slot.id)
        if settings.adb.host:
            return cls(phones)
        client = AdbClient.of(Adb(), settings.adb_servers, settings.state)
        return cls(phones, [AdbFront(place) for place in client.places], client)

    async def list_as(self, phone: VirtualPhone, listed: Listed) -> None:
        """Have adb list a phone so. Raises Refusal."""
        await self._front(phone.serial).list_as(phone.serial, listed)

    async def list_besides(self, lines: tuple[str, ...]) -> None:
        """Have adb list these lines too. Raises Refusal."""
        await self._front("").list_besides(lines)

    def _front(self, address: str) -> AdbFront:
        """Of the server that has the phone, or of the first one."""
        if self._client is None:
            raise Refusal(ErrorCode.CONFLICT, "The adb server is not this site's: [adb] host is set.")
        return self.fronts[self._client.server_for(address) if address else 0]

    async def start(self) -> None:
        for phone in self.phones.values():
            await phone.plug()

    async def stop(self) -> None:
        for phone in self.phones.values():
            await phone.__aexit__()
