"""What Android phones print about their health, read into values. Pure; layouts of Android 8 to 15.

Sources: AOSP `BatteryService.dump`, `TelephonyRegistry.dump`, `ServiceState`, `CellSignalStrengthLte`.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from actors.adapters.android import SECTION, plain
from actors.slot.phone import Health
from actors.telephony.reports import WORDS

HEALTH = f"; echo {SECTION}; ".join(
    (
        "getprop ro.product.model; getprop ro.build.version.release; getprop gsm.operator.alpha;"
        " getprop gsm.sim.state; getprop gsm.network.type",
        "cat /proc/uptime",
        "cat /proc/meminfo",
        "cat /proc/stat | grep cpu",
        "dumpsys battery",
        "dumpsys telephony.registry | grep -E 'mServiceState|mSignalStrength'",
    )
)


CHARGING: Mapping[int, bool] = {2: True, 5: True, 3: False, 4: False}  # by `status`; 1 is unknown
WHOLE_DEGREES = range(10, 61)  # as tenths they would be a battery of 1 to 6 degrees, where phones are kept
COLDEST, HOTTEST = -40.0, 120.0


_WHOLE = re.compile(r"-?[0-9]{1,18}")


class CpuTimes(Struct, frozen=True):
    """`/proc/stat`'s first line, in ticks."""

    busy: int
    total: int


def parse_health(text: str, before: CpuTimes | None) -> tuple[Health, CpuTimes | None]:
    """The figures of a `HEALTH` command. CPU load needs the ticks of the reading before."""
    properties, uptime, memory, stat, battery_text, network = ([*plain(text).split(f"{SECTION}\n"), *[""] * 6])[:6]
    model, android, operator, sim, network_type = ([*properties.split("\n"), *[""] * 5])[:5]
    battery = parse_battery(battery_text)
    times = parse_cpu(stat)
    return (
        Health(
            model=_named(model),
            android=_named(android),
            operator=_named(operator),
            sim=_named(sim),
            network_type=_named(network_type),
            uptime_s=_first_number(uptime),
            ram=parse_memory(memory),
            cpu=_load(before, times),
            battery=_percent(battery),
            temperature=_degrees(battery.get("temperature")),
            charging=CHARGING.get(battery.get("status", 0)),
            in_service=parse_in_service(network),
            signal_level=parse_signal(network),
        ),
        times,
    )


def _named(text: str) -> str | None:
    """A property, of which two SIMs have two with a comma between."""
    return text.strip()[:WORDS].strip(" ,") or None


def parse_battery(text: str) -> dict[str, int]:
    """The whole numbers of `dumpsys battery`, up to the first line of another kind: Samsung appends a block with
    its own, older `level` and `temperature`. That somebody has stopped the updates stands between them in brackets."""
    values: dict[str, int] = {}
    _, _, body = text.partition("Current Battery Service state:\n")
    for line in body.splitlines():
        if line.strip().startswith("("):
            continue
        name, colon, value = line.partition(": ")
        if not colon or "," in value:
            break
        if _WHOLE.fullmatch(value.strip()):
            values.setdefault(name.strip(), int(value))
    return values


def _percent(battery: Mapping[str, int]) -> int | None:
    level, scale = battery.get("level", -1), battery.get("scale") or 100
    return round(100 * level / scale) if 0 <= level <= scale else None


def _degrees(value: int | None) -> float | None:
    """Of a battery, which tells tenths; some cheap phones tell whole degrees. What no battery has is not believed."""
    if value is None:
        return None
    degrees = float(value) if value in WHOLE_DEGREES else value / 10
    return degrees if COLDEST <= degrees <= HOTTEST else None


def parse_memory(text: str) -> float | None:
    """Used memory in percent."""
    values = dict(re.findall(r"(MemTotal|MemAvailable):\s+([0-9]{1,18})", text))
    if len(values) < 2 or int(values["MemTotal"]) == 0:
        return None
    return round(100 * (1 - int(values["MemAvailable"]) / int(values["MemTotal"])), 1)


def parse_cpu(text: str) -> CpuTimes | None:
    for line in text.splitlines():
        if line.startswith("cpu "):
            ticks = [int(word) for word in line.split()[1:] if _WHOLE.fullmatch(word)]
            if len(ticks) >= 5:
                idle = ticks[3] + ticks[4]
                return CpuTimes(sum(ticks) - idle, sum(ticks))
    return None


def _load(before: CpuTimes | None, now: CpuTimes | None) -> float | None:
    if before is None or now is None or now.total <= before.total:
        return None
    return round(100 * (now.busy - before.busy) / (now.total - before.total), 1)


def _first_number(text: str) -> float | None:
    match = re.match(r"\s*([0-9]{1,18}(?:\.[0-9]{1,18})?)", text)
    return float(match[1]) if match else None


def parse_in_service(text: str) -> bool | None:
    """Whether a SIM is registered for voice. Android 9 prints the bare number of the state."""
    states = re.findall(r"m(?:VoiceRegState=|ServiceState=(?=[0-9] ))([0-9])", text)
    return "0" in states if states else None


_LEVEL = re.compile(r"(?<![A-Za-z])(?:l|mL)evel ?= ?([0-4])\b")  # `mLevel=4` of GSM, `level = 3` of 5G


_NEXT_CLASS = re.compile(r",\s*(?:m[A-Z]\w*|primary)=")


def parse_signal(text: str) -> int | None:
    """The level 0-4 of the network class that is in use: the best of the SIMs that are in service, since a place
    without one tells a level too."""
    levels: list[tuple[bool, int]] = []
    served = False
    for line in text.splitlines():
        served = served if (state := parse_in_service(line)) is None else state
        if (level := _level(line)) is not None:
            levels.append((served, level))
    return max(levels)[1] if levels else None


def _level(line: str) -> int | None:
    primary = re.search(r"primary=(\w+)", line)
    _, found, figures = line.partition(f"{primary[1]}:") if primary else ("", "", "")
    level = _LEVEL.search(_NEXT_CLASS.split(figures, 1)[0]) if found else None
    return int(level[1]) if level else None
