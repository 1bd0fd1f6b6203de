"""What an endpoint exposes, and what of an expression of PromQL it does not."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from tests.support.promql import OF_COUNTERS, Selector, read

ROOT = Path(__file__).resolve().parents[2]
RULES, BOARD = ROOT / "deploy/prometheus/ottb.rules.yml", ROOT / "deploy/grafana/ottb-site.json"
PROMETHEUS = {"up": {"job", "instance"}}  # what Prometheus makes of each target itself
OF_TARGETS = {"instance", "job"}  # labels that it gives to all
SUFFIXES = {"_total": "counter", "_bucket": "histogram", "_count": "histogram", "_sum": "histogram"}


class Series(Struct, frozen=True):
    """`values`: of each label, those that were seen."""

    type: str
    values: Mapping[str, set[str]]


def exposed(text: str) -> Mapping[str, Series]:
    """The series, by the names under which they are asked for; also those of which there is no sample now."""
    found = dict[str, Series]()
    for family in text_string_to_metric_families(text):
        labels = defaultdict[str, dict[str, set[str]]](dict)
        for name in _names(family.name, family.type):
            labels[name] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                labels[sample.name].setdefault(label, set()).add(value)
        found |= {name: Series(family.type, values) for name, values in labels.items()}
    return found


def _names(name: str, type: str) -> list[str]:
    suffixes = [suffix for suffix, of in SUFFIXES.items() if of == type]
    return [f"{name}{suffix}" for suffix in suffixes] or [name]


def wrong(expression: str, there: Mapping[str, Series], *, whole: bool) -> Iterator[str]:
    """What of an expression cannot be right. `whole`: there is a sample of each series, so its labels are known."""
    labels = set(OF_TARGETS)
    told = read(expression)
    for selector in told.selectors:
        if selector.name in PROMETHEUS:
            labels |= PROMETHEUS[selector.name]
        elif (series := there.get(selector.name)) is None:
            yield f"no series {selector.name}"
        else:
            labels |= series.values.keys()
            yield from _of_selector(selector, series, whole=whole)
    if whole:
        yield from (f"no label {name} in {expression}" for name in told.groups - labels)


def _of_selector(selector: Selector, series: Series, *, whole: bool) -> Iterator[str]:
    counts = series.type in ("counter", "histogram")
    if (selector.inside in OF_COUNTERS) != counts:
        yield f"{selector.name} is a {series.type}, and stands in {selector.inside}"
    for label, operator, value in selector.matchers:
        if label in series.values:
            wanted = value.split("|") if "~" in operator else [value]
            seen = series.values[label]
            for one in wanted:
                if not any(re.fullmatch(one, each) if "~" in operator else one == each for each in seen):
                    yield f"{selector.name}: no {label} is {one}"
        elif whole:
            yield f"{selector.name} has no label {label}"


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """What the board shows, without its headings."""
    return [panel for panel in json.loads(BOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Of all rules and panels, by what they are."""
    of_panels = {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels() for target in panel["targets"]
    }
    return {rule["alert"]: rule["expr"] for rule in rules()} | of_panels
