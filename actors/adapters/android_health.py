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
        " getprop gsm.sim.state; getprop gsm.network.type; getprop gsm.operator.isroaming",
        "cat /proc/uptime",
        "cat /proc/meminfo",
        "cat /proc/stat | grep cpu",
        "dumpsys battery",
        "dumpsys telephony.registry | grep -E 'mServiceState|mSignalStrength'",
        "df -k /data",
        "cat /proc/net/dev | grep -E 'rmnet|ccmni|seth|pdp|wwan'",
        "getprop gsm.sim.operator.numeric; dumpsys isub | grep -E 'iccId=.*simSlotIndex=[0-9]'",
    )
)


BATTERY_HEALTH: Mapping[int, str] = {  # `BatteryManager.BATTERY_HEALTH_*`; 1 is unknown
    2: "good", 3: "overheat", 4: "dead", 5: "over_voltage", 6: "failure", 7: "cold",
}  # fmt: skip
FROZEN = "(UPDATES STOPPED"  # as `BatteryService.dump` begins, after `dumpsys battery set`
# The modem's interfaces, as makers of modems call them, each with what it has received and sent. `rmnet_ipa0` is left
# out: on it is once more what is on `rmnet_data0`, `rmnet_data1` ...
_MODEM = re.compile(
    r"(?m)^ *(?:rmnet(?:_data)?|ccmni|seth_\w{1,16}?|pdp|wwan)[0-9]{1,3}: *"
    r"([0-9]{1,18})(?: +[0-9]{1,18}){7} +([0-9]{1,18})\s"
)
_ICCID = re.compile(r"iccId=(89[0-9]{4,18}[Ff]?)\S{0,20} simSlotIndex=([0-9])\b")
_DISK = re.compile(r"\s([0-9]{1,18})\s+[0-9]{1,18}\s+([0-9]{1,18})\s+[0-9]{1,3}%\s+\S+\s*$")
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
    sections = [*plain(text).split(f"{SECTION}\n"), *[""] * 9]
    properties, uptime, memory, stat, battery_text, network, disk, interfaces, sims = sections[:9]
    model, android, operator, sim, network_type, roaming = ([*properties.split("\n"), *[""] * 6])[:6]
    battery = parse_battery(battery_text)
    times = parse_cpu(stat)
    storage, free = parse_storage(disk)
    return (
        Health(
            model=_named(model),
            android=_named(android),
            operator=_named(operator),
            sim=_named(sim),
            sim_operators=parse_sim_operators(sims),
            iccids=parse_iccids(sims),
            network_type=_named(network_type),
            uptime_s=_first_number(uptime),
            ram=parse_memory(memory),
            cpu=_load(before, times),
            battery=_percent(battery),
            temperature=_degrees(battery.get("temperature")),
            charging=CHARGING.get(battery.get("status", 0)),
            battery_health=BATTERY_HEALTH.get(battery.get("health", 0)),
            battery_frozen=FROZEN in battery_text if battery else None,
            storage=storage,
            storage_free_mb=free,
            in_service=parse_in_service(network),
            signal_level=parse_signal(network),
            roaming=parse_roaming(roaming),
            data_mb=parse_mobile_data(interfaces),
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


def parse_storage(text: str) -> tuple[float | None, int | None]:
    """Of `df -k /data`: what is used in percent, and the megabytes that apps may still take. A long name of a volume
    may stand on a line of its own."""
    found = _DISK.search(text)
    if found is None or (total := int(found[1])) == 0:
        return None, None
    free = min(int(found[2]), total)
    return round(100 * (1 - free / total), 1), free // 1024


def parse_sim_operators(text: str) -> tuple[str, ...]:
    """Of the first line, `gsm.sim.operator.numeric`: of two SIMs with a comma between."""
    codes = [code.strip() for code in text.split("\n", 1)[0].split(",")]
    return tuple(code for code in codes if re.fullmatch(r"[0-9]{5,6}", code))


def parse_iccids(text: str) -> tuple[str, ...]:
    """Of `dumpsys isub` (AOSP `SubscriptionInfo.toString`), of each place for a SIM what stands first: its log has
    earlier SIMs. A phone that is sold hides all but the first nine digits."""
    found: dict[str, str] = {}
    for iccid, place in _ICCID.findall(text):
        found.setdefault(place, iccid)
    return tuple(found.values())


def parse_roaming(text: str) -> bool | None:
    """`gsm.operator.isroaming`, of two SIMs with a comma between: whether one of them is abroad."""
    said = [word.strip() for word in text.split(",")]
    return "true" in said if "true" in said or "false" in said else None


def parse_mobile_data(text: str) -> float | None:
    """Megabytes, of the modem's lines of `/proc/net/dev`. None: it has none, or they may not be read."""
    found = [int(received) + int(sent) for received, sent in _MODEM.findall(text)]
    return round(sum(found) / 1e6, 1) if found else None


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
