"""Series for Prometheus: what is counted of hosts and gateways beside what the journal says, each under its one name.

A host tells its own when a gateway is asked for its figures, and at no other time. Names, units and types are by
Prometheus' conventions: base units (seconds, bytes, ratios of 1), the unit at the end of the name.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from bus_schemas.contract import Rpc
from bus_schemas.fields import HostName

OTHERS = "others"  # what is beyond as many as are named


class Family(Struct, frozen=True, kw_only=True):
    """The series of one name. `labels`: beside the host. Where the first of them names things that people make, `most`
    of these are named at a host; the others are summed up as `others`, or left out where a sum says nothing (not
    `adds`). `bounds`: of a histogram's buckets, as far as they are bounded. Not `of_host`: of the gateway itself."""

    name: str
    says: str
    type: Literal["gauge", "histogram"] = "gauge"
    labels: tuple[str, ...] = ()
    most: int = 200
    adds: bool = True
    bounds: tuple[float, ...] = ()
    of_host: bool = True

    @property
    def all_labels(self) -> tuple[str, ...]:
        return ("host", *self.labels) if self.of_host else self.labels


ROUND_TRIPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAUSES = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

# fmt: off
_FAMILIES = (
    # phones
    Family(name="ottb_slots", labels=("status",), says="Slots by how their phones can be reached."),
    Family(name="ottb_slots_held", labels=("by",),
           says="Slots that a call, a run of a script, a reservation or a switch of power holds."),
    Family(name="ottb_slots_quarantined", labels=("symptom",),
           says="Slots that the platform has given up, by what was wrong last."),
    Family(name="ottb_slots_condition", labels=("condition",),
           says="Slots whose phones are in a condition (hot, low_battery ...)."),
    Family(name="ottb_adb_round_trip_seconds", type="histogram", bounds=ROUND_TRIPS,
           says="From the host to a phone's shell and back, over adb."),
    # hubs
    Family(name="ottb_hub_plugged", labels=("hub",), adds=False,
           says="1 while the hub is in the host's USB tree; none where nobody can tell."),
    Family(name="ottb_hub_ports", labels=("hub", "state"), says="Ports for phones, by what is on them."),
    # trunks
    Family(name="ottb_trunk_state", labels=("trunk", "state"),
           says="1 for the state that a trunk is in, 0 for the others."),
    Family(name="ottb_trunk_calls", labels=("trunk",), says="Channels of a trunk that are in use."),
    Family(name="ottb_trunk_channels", labels=("trunk",), says="Channels that a trunk has."),
    Family(name="ottb_trunk_failed_calls", labels=("trunk",),
           says="Calls that a trunk failed in the last five minutes, since one went through."),
    Family(name="ottb_trunk_round_trip_seconds", labels=("trunk",), adds=False,
           says="From the PBX to the provider and back."),
    # the host
    Family(name="ottb_host_cpu_ratio", says="Load of all processors."),
    Family(name="ottb_host_memory_used_ratio", says="Memory in use."),
    Family(name="ottb_host_load1", says="Processes that run or wait, over a minute."),
    Family(name="ottb_host_temperature_celsius", says="The highest of its sensors."),
    Family(name="ottb_host_uptime_seconds", says="Since the machine has started."),
    Family(name="ottb_host_clock_offset_seconds", says="That its clock is behind that of the bus."),
    Family(name="ottb_host_bus_round_trip_seconds", says="A question to the bus and its answer."),
    Family(name="ottb_host_probe_seconds", labels=("address",), adds=False,
           says="How long a connection to a probed host takes to come; none while it does not answer."),
    Family(name="ottb_host_probe_up", labels=("address",), adds=False, says="1 while a probed host answers."),
    Family(name="ottb_host_disk_size_bytes", labels=("path",), adds=False, says="Size of a disk."),
    Family(name="ottb_host_disk_free_bytes", labels=("path",), adds=False, says="What is free of it."),
    Family(name="ottb_host_disk_full_in_seconds", labels=("path",), adds=False,
           says="Until it is full, at the growth of the last day; none while it does not grow."),
    Family(name="ottb_host_process_resident_bytes", labels=("process",), says="Memory of the platform's processes."),
    Family(name="ottb_host_process_cpu_ratio", labels=("process",), says="Their load, of one processor."),
    Family(name="ottb_host_process_open_fds", labels=("process",), says="Files and sockets that they have open."),
    Family(name="ottb_host_gc_pause_seconds", type="histogram", bounds=PAUSES,
           says="For how long the actor host stood still to collect its garbage."),
    Family(name="ottb_host_tasks", says="asyncio tasks of the actor host."),
    Family(name="ottb_actors", labels=("kind",), says="Actors that the host owns."),
    Family(name="ottb_inbox_waiting", labels=("kind",), says="What waits in the inboxes of a kind of actors."),
    Family(name="ottb_inbox_longest", labels=("kind",), adds=False,
           says="What waits in the fullest one; at 1024 it refuses."),
    Family(name="ottb_webhook_deliveries_waiting", says="Deliveries that have not arrived and are not given up."),
    Family(name="ottb_runner_up", adds=False,
           says="1 while runs of pipelines are carried out on a host, 0 while they are not and should be."),
    Family(name="ottb_records_behind", labels=("records",), says="Entries of its stream that a read model lacks."),
    Family(name="ottb_records_failing", labels=("records",), says="1 while a read model does not get on."),
    # gateways
    Family(name="ottb_gateway_gc_pause_seconds", type="histogram", bounds=PAUSES, of_host=False,
           says="For how long the gateway stood still to collect its garbage."),
)
# fmt: on
FAMILIES: Mapping[str, Family] = {one.name: one for one in _FAMILIES}


class Sample(Struct, frozen=True):
    """One figure of a family now. `labels`: their values, in the family's order."""

    family: str
    value: float
    labels: tuple[str, ...] = ()


class Distribution(Struct, frozen=True):
    """One histogram of a family, since its process has started: how many were in each bucket, the last without a bound,
    and the sum of all."""

    family: str
    counts: tuple[int, ...]
    total: float


class SeriesOnHost(Struct, frozen=True, kw_only=True):
    """The series of one host."""

    host: HostName


class HostSeries(Struct, frozen=True, kw_only=True):
    """What one host counts now."""

    samples: list[Sample]
    distributions: list[Distribution]


SERIES_ON_HOST = Rpc(
    "ottb.v1.cmd.host.{host}.series", SeriesOnHost, HostSeries, frozenset(),
    summary="What one host counts, for Prometheus", timeout=2.0,
)  # fmt: skip
