"""What a virtual phone says of its processor, memory, storage and network, besides its calls."""

from dataclasses import dataclass, field

from actors.adapters.android_health import BATTERY_HEALTH
from actors.slot.phone import Health
from simulators.phone import dumps


@dataclass
class Vitals:
    """Percent of processor, memory and storage in use; `signal` in bars; `mobile_bytes` since the phone started;
    `battery_health` as `BatteryManager` counts (2: good). `sim_operator`, `iccid`: of the SIM in its first place."""

    battery_health: int = 2
    signal: int = 3
    network: str = "LTE"
    roaming: bool = False
    sim_operator: str = "25501"
    iccid: str = "8938001234567890123"
    cpu: float = 25.0
    ram: float = 44.0
    storage: float = 41.0
    mobile_bytes: int = 12_600_000
    _worked: tuple[float, float] = field(default=(0.0, 0.0))  # seconds up to the last change, and busy ones of them

    def work(self, percent: float, uptime: float) -> None:
        """So busy is its processor from now on."""
        self._worked = (uptime, self._busy(uptime))
        self.cpu = percent

    def restart(self) -> None:
        self._worked = (0.0, 0.0)

    def file(self, path: str, uptime: float) -> bytes | None:
        """A file of `/proc`. None: it is none."""
        match path:
            case "/proc/stat":
                return dumps.processor(int(100 * uptime), int(100 * self._busy(uptime))).encode()
            case "/proc/meminfo":
                return dumps.memory(self.ram).encode()
            case "/proc/net/dev":
                return dumps.interfaces(self.mobile_bytes).encode()
            case "/proc/uptime":
                return f"{uptime:.2f} {uptime * 3:.2f}\n".encode()
        return None

    def health(self, uptime: float, *, level: int = 82, tenths: int = 380) -> Health:
        """What a host reads of it, for phones that are simulated without a shell. `level`, `tenths`: of its battery."""
        return Health(
            sim="READY", sim_operators=(self.sim_operator,), iccids=(self.iccid[:9],), in_service=True,
            network_type=self.network, signal_level=self.signal, roaming=self.roaming,
            battery=level, temperature=tenths / 10, charging=True, battery_frozen=False,
            battery_health=BATTERY_HEALTH.get(self.battery_health), cpu=self.cpu, ram=self.ram, storage=self.storage,
            storage_free_mb=dumps.free_of(self.storage) // 1024, data_mb=self.mobile_bytes / 1e6, uptime_s=uptime,
        )  # fmt: skip

    def _busy(self, uptime: float) -> float:
        until, busy = self._worked
        return busy + (uptime - until) * self.cpu / 100
