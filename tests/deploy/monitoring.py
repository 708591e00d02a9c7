"""What is monitored, read from the files that Prometheus and Grafana read: the panels' queries, the rules, the guide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((MONITORING / "rules").glob("*.yml"))
#: What Grafana puts in: nobody chose a model, and the windows of a rate that it computes from the scrape interval.
PUT_IN = {"$model": ".+", "$__rate_interval": "1m"}
METRIC = re.compile(r"\b(?:\w+:)?fieldmark_[a-z0-9_]+(?::\w+)?")


@dataclass(frozen=True)
class Asked:
    """One query of one panel, as Prometheus gets it."""

    panel: str
    expr: str


def queries() -> list[Asked]:
    """All queries of all panels, and those that a page's choices are filled by."""
    return [asked for path in DASHBOARDS for asked in _queries_of(json.loads(path.read_text()))]


def rules() -> list[dict[str, Any]]:
    """All rules, those that record and those that warn."""
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def metrics_in(expr: str) -> set[str]:
    """Names of ours in an expression, of the service or of a recording rule."""
    return set(METRIC.findall(expr))


def _queries_of(dashboard: dict[str, Any]) -> Iterator[Asked]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(f"{dashboard['title']}, {panel['title']}, {target['refId']}", _filled(target["expr"]))
    for variable in dashboard["templating"].get("list", ()):
        series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
        yield Asked(f"{dashboard['title']}, {variable['label']}", f"count by ({label}) ({series})")


def _filled(expr: str) -> str:
    for name, value in PUT_IN.items():
        expr = expr.replace(name, value)
    return expr
