"""The slots of a sandbox: one for each virtual phone, made from their number. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from actors.runtime.settings import SettingsError
from bus_schemas.slot import SlotConfig

FIRST_SLOT = 11
HUB_PORTS = 20
PHONES_AT = "127.0.0.1"
REGION = "UA"  # of every virtual SIM


def with_phones(given: Sequence[SlotConfig], phones: int, *, control_port: int, host: str) -> tuple[SlotConfig, ...]:
    """The slots of so many phones and the given ones. Of a slot that is both, what is given wins over what is made.
    Raises SettingsError where two have one phone: each listens on an address of its own."""
    made = {slot: _slot(slot, control_port, host) for slot in range(FIRST_SLOT, FIRST_SLOT + phones)}
    others = []
    for config in given:
        if config.id in made:
            made[config.id] = replace(made[config.id], **_said(config))
        else:
            others.append(config)
    slots = (*made.values(), *others)
    _must_be_apart(slots, {config.id: f"slots[{at}]" for at, config in enumerate(given)})
    return slots


def _must_be_apart(slots: Iterable[SlotConfig], places: Mapping[int, str]) -> None:
    """`places`: of slots in the settings. The place of a phone on the network says nothing."""
    whose: dict[str, str] = {}
    for slot in slots:
        place, phone = places.get(slot.id, f"slot {slot.id} of the sandbox"), slot.serial or ""
        if phone.startswith(f"{PHONES_AT}:") and (other := whose.setdefault(phone, place)) != place:
            raise SettingsError(f"settings: {place}.serial: {other} has this phone, {phone}")


def _slot(slot: int, control_port: int, host: str) -> SlotConfig:
    hub, port = divmod(slot - FIRST_SLOT, HUB_PORTS)
    return SlotConfig(
        id=slot, serial=f"{PHONES_AT}:{control_port + slot}", hub=f"HUB{hub + 1}", port=port + 1,
        region=REGION, host=host,
    )  # fmt: skip


def _said(config: SlotConfig) -> dict[str, object]:
    said = {name: getattr(config, name) for name in config.__struct_fields__}
    return {name: value for name, value in said.items() if value is not None}
