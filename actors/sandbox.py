"""The slots of a sandbox: one for each virtual phone, made from their number. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from bus_schemas.slot import SlotConfig

FIRST_SLOT = 11
HUB_PORTS = 20
PHONES_AT = "127.0.0.1"
REGION = "UA"  # of every virtual SIM


def with_phones(given: Sequence[SlotConfig], phones: int, *, control_port: int, host: str) -> tuple[SlotConfig, ...]:
    """The slots of so many phones and the given ones. Of a slot that is both, what is given wins over what is made; one
    that only says more of a phone of the sandbox waits until there are so many."""
    made = {slot: _slot(slot, control_port, host) for slot in range(FIRST_SLOT, FIRST_SLOT + phones)}
    others = []
    for config in given:
        if config.id in made:
            made[config.id] = replace(made[config.id], **_said(config))
        elif not made or config.id < FIRST_SLOT or (config.serial, config.hub, config.port) != (None, None, None):
            others.append(config)
    return (*made.values(), *others)


def _slot(slot: int, control_port: int, host: str) -> SlotConfig:
    hub, port = divmod(slot - FIRST_SLOT, HUB_PORTS)
    return SlotConfig(
        id=slot, serial=f"{PHONES_AT}:{control_port + slot}", hub=f"HUB{hub + 1}", port=port + 1,
        region=REGION, host=host,
    )  # fmt: skip


def _said(config: SlotConfig) -> dict[str, object]:
    said = {name: getattr(config, name) for name in config.__struct_fields__}
    return {name: value for name, value in said.items() if value is not None}
