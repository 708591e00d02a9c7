"""Dashboards are what the code makes, everything they and the rules name exists, and every alert has its advice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.monitoring.__main__ import FOLDER
from deploy.monitoring.pages import dashboards
from deploy.monitoring.panels import SOURCE, write
from tests.deploy.monitoring import DASHBOARDS, ROOT, metrics_in, queries, rules
from tests.service.test_metrics import NAMES

RECORDED = {rule["record"] for rule in rules() if "record" in rule}
ALERTS = [rule for rule in rules() if "alert" in rule]
#: Of a histogram these can be asked for as well as its buckets.
SUFFIXES = ("_count", "_sum")


def test_the_committed_dashboards_are_what_the_code_makes() -> None:
    made = {FOLDER / f"{dashboard.uid}.json": write(dashboard) for dashboard in dashboards()}
    assert sorted(made) == DASHBOARDS
    stale = [path.name for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "python -m deploy.monitoring writes them anew"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_and_asks_the_provisioned_source(path: Any) -> None:
    panels = [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {SOURCE.uid}


def test_panels_and_rules_name_only_what_the_service_or_a_rule_gives() -> None:
    histograms = {name.removesuffix("_bucket") for name in NAMES if name.endswith("_bucket")}
    known = NAMES.keys() | RECORDED | {name + suffix for name in histograms for suffix in SUFFIXES}
    asked = [*(query.expr for query in queries()), *(rule["expr"] for rule in rules())]
    assert set().union(*map(metrics_in, asked)) - known == set()


def test_every_metric_of_the_service_is_shown_or_warned_of() -> None:
    asked = [*(query.expr for query in queries()), *(rule["expr"] for rule in rules())]
    named = set().union(*map(metrics_in, asked))
    assert {name for name in NAMES if name not in named} == set()


def test_every_rule_that_records_is_read() -> None:
    asked = [*(query.expr for query in queries()), *(rule["expr"] for rule in rules())]
    assert RECORDED - set().union(*map(metrics_in, asked)) == set()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_and_advice(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    assert f"| `{rule['alert']}` |" in (ROOT / "deploy" / "README.md").read_text()
