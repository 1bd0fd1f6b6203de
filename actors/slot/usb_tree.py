"""What this machine's USB tree shows of a hub: how many ports its first chip has, and which carry another chip."""

from pathlib import Path

from msgspec.structs import replace

from actors.slot.settings import Hub

TREE = Path("/sys/bus/usb/devices")
HUB_CLASS = "09"


def as_in_tree(hub: Hub, root: Path = TREE) -> Hub:
    """The hub as the tree shows it; as it was, where it is not plugged in, or there is no tree."""
    try:
        ports = int((root / hub.path / "maxchild").read_text())
    except (OSError, ValueError):
        return hub
    behind = tuple(port for port in range(1, ports + 1) if _is_hub(root / f"{hub.path}.{port}"))
    return replace(hub, chip=ports, behind=behind)


def _is_hub(device: Path) -> bool:
    try:
        return (device / "bDeviceClass").read_text().strip() == HUB_CLASS
    except OSError:
        return False
