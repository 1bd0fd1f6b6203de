"""The series of the hosts on the gateway's endpoint: each host is asked when somebody asks for the figures."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate
from typing import TypeVar

import structlog
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.runtime.bus import Bus
from actors.runtime.context import Context
from actors.runtime.spread import Spread
from actors.runtime.wire import ask
from bus_schemas.contract import UNDECODABLE
from bus_schemas.errors import Refusal
from bus_schemas.series import FAMILIES, SERIES_ON_HOST, Distribution, Family, HostSeries, Sample, SeriesOnHost

log = structlog.get_logger()

UP = Family(name="ottb_host_up", says="1 while a host answers; one that is away is named for ten minutes.")
Said = TypeVar("Said")
Found = defaultdict[str, list[tuple[tuple[str, ...], Said]]]  # by family; with the labels before its own


class SiteSeries(Collector):
    """What the hosts have told last. `own`: what this gateway counts itself."""

    def __init__(self, own: Iterable[Spread] = ()) -> None:
        self._own = tuple(own)
        self._told: dict[str, HostSeries | None] = {}  # None: it does not answer

    async def ask(self, bus: Bus, *, there: Collection[str], away: Collection[str]) -> None:
        """Ask those that are `there`, together; 2 seconds at most."""
        answers = await asyncio.gather(*(_ask(bus, host) for host in there))
        self._told = dict(sorted({**dict.fromkeys(away), **dict(zip(there, answers, strict=True))}.items()))

    def collect(self) -> Iterator[Metric]:
        samples, distributions = self._by_family()
        for family in (UP, *FAMILIES.values()):
            if family.type == "gauge":
                yield _gauge(family, samples[family.name])
            else:
                yield _histogram(family, distributions[family.name])

    def _by_family(self) -> tuple[Found[Sample], Found[Distribution]]:
        """What was told, each with the host by whom."""
        samples, distributions = Found[Sample](list), Found[Distribution](list)
        for host, told in self._told.items():
            samples[UP.name].append(((host,), Sample(UP.name, float(told is not None))))
            for sample in told.samples if told is not None else ():
                samples[sample.family].append(((host,), sample))
            for one in told.distributions if told is not None else ():
                distributions[one.family].append(((host,), one))
        for spread in self._own:
            distributions[spread.now.family].append(((), spread.now))
        return samples, distributions


async def _ask(bus: Bus, host: str) -> HostSeries | None:
    context = Context(command_id="series")
    try:
        return await ask(bus, SERIES_ON_HOST, SeriesOnHost(host=host), context, retry=False)
    except (Refusal, *UNDECODABLE) as error:
        log.info("a host did not tell its series", host=host, why=str(error))
        return None


def _gauge(family: Family, samples: Iterable[tuple[tuple[str, ...], Sample]]) -> Metric:
    """What does not fit the family, as another version may say it, is left out; what is said twice counts once."""
    metric = GaugeMetricFamily(family.name, family.says, labels=family.all_labels)
    found = {(*first, *one.labels): one.value for first, one in samples}
    for labels, value in found.items():
        if len(labels) == len(family.all_labels):
            metric.add_metric(labels, value)
    return metric


def _histogram(family: Family, found: Iterable[tuple[tuple[str, ...], Distribution]]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.says, labels=family.all_labels)
    names = [*map(str, family.bounds), "+Inf"]
    for labels, one in dict(found).items():
        if len(one.counts) == len(names):
            metric.add_metric(labels, list(zip(names, accumulate(one.counts), strict=True)), one.total)
    return metric
