"""The form of all dashboards: a few kinds of panels, in rows, with the same colours, units and times everywhere.

Built on Grafana's own SDK (grafana-foundation-sdk), which knows the JSON. A page says what is shown; how it looks is decided
here. Queries may use Grafana's `$__rate_interval`, which is never shorter than four scrapes, and the page's variables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

#: By the name that the provisioned data source has.
SOURCE = common_models.DataSourceRef(type_val="prometheus", uid="fieldmark-prometheus")
TAG = "fieldmark"
WIDTH = 24  # of Grafana's grid
GOOD, WARNING, BAD = "green", "orange", "red"

Panel = Builder[models.Panel]


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks Prometheus, and the name of a line; `{{label}}` in it is a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, which share the width."""

    title: str
    panels: Sequence[stat.Panel | timeseries.Panel | heatmap.Panel | table.Panel]


def number(
    title: str, query: Query, about: str, unit: str = "short", limits: tuple[float, float] | None = None
) -> stat.Panel:
    """One number as it is now.

    From the first of the `limits` on it is a warning, from the second bad; where they fall, less is worse: it is good from
    the first on, bad below the second.
    """
    panel = stat.Panel().title(title).description(about).unit(unit).datasource(SOURCE).height(4)
    panel = panel.with_target(_target(query, "A")).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.graph_mode(common_models.BigValueGraphMode.AREA)
    return panel.thresholds(_thresholds(limits)).color_scheme(_by_threshold())


def lines(title: str, queries: Sequence[Query], about: str, unit: str = "short") -> timeseries.Panel:
    """Values over time, one line each, from 0 on."""
    panel = timeseries.Panel().title(title).description(about).unit(unit).datasource(SOURCE).height(8).min(0)
    panel = panel.fill_opacity(8).line_width(1.5).show_points(common_models.VisibilityMode.NEVER)
    panel = panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    panel = panel.legend(common.VizLegendOptions().show_legend(True).placement(common_models.LegendPlacement.BOTTOM))
    for query, letter in zip(queries, ascii_uppercase, strict=False):
        panel = panel.with_target(_target(query, letter))
    return panel


def distribution(title: str, expr: str, about: str, unit: str = "short") -> heatmap.Panel:
    """How the values of a histogram are distributed over time; `expr` gives rates of buckets by `le`."""
    panel = heatmap.Panel().title(title).description(about).datasource(SOURCE).height(8).calculate(False)
    panel = panel.y_axis(heatmap.YAxisConfig().unit(unit)).hide_legend()
    panel = panel.color(
        heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Blues").steps(32)
    )
    query = prometheus.Dataquery().expr(expr).legend_format("{{le}}").range()
    return panel.with_target(query.format(prometheus_models.PromQueryFormat.HEATMAP).datasource(SOURCE).ref_id("A"))


def listing(title: str, expr: str, about: str) -> table.Panel:
    """What there is now: a row for each series, its labels as columns."""
    panel = table.Panel().title(title).description(about).datasource(SOURCE).height(6)
    query = prometheus.Dataquery().expr(expr).instant().format(prometheus_models.PromQueryFormat.TABLE)
    hidden = dict.fromkeys(("Time", "Value", "__name__", "job"), True)
    tidy = models.DataTransformerConfig(id_val="organize", options={"excludeByName": hidden})
    return panel.with_target(query.datasource(SOURCE).ref_id("A")).with_transformation(tidy)


def choice(name: str, label: str, query: str) -> builders.QueryVariable:
    """A variable of a page: one, several or all values of a label, by Grafana's `label_values`."""
    variable = builders.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    variable = variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    return variable.multi(True).include_all(True).all_value(".+").current(models.VariableOption(True, "All", "$__all"))


def page(
    name: str, title: str, about: str, rows: Sequence[Row], choices: Sequence[builders.QueryVariable] = ()
) -> models.Dashboard:
    """A dashboard, known as `fieldmark-NAME`; the panels of a row are equally wide."""
    built = builders.Dashboard(f"Fieldmark: {title}").uid(f"fieldmark-{name}").description(about).tags([TAG])
    built = built.readonly().refresh("10s").time("now-1h", "now").tooltip(models.DashboardCursorSync.CROSSHAIR)
    others = builders.DashboardLink("Fieldmark").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    built = built.link(others.as_dropdown(True).include_vars(True).keep_time(True).placement(""))
    alerts = builders.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color(BAD)
    built = built.annotation(alerts.expr('ALERTS{alertstate="firing"}').title_format("{{alertname}}"))
    for variable in choices:
        built = built.with_variable(variable)
    number_of_panel = 0
    for row in rows:
        number_of_panel += 1
        built = built.with_row(builders.Row(row.title).id(number_of_panel))
        for panel in row.panels:
            number_of_panel += 1
            built = built.with_panel(panel.id(number_of_panel).span(WIDTH // len(row.panels)))
    return built.build()


def write(dashboard: models.Dashboard) -> str:
    """The JSON of a dashboard, the same for the same dashboard."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _target(query: Query, letter: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).range()
    return target.datasource(SOURCE).ref_id(letter)


def _thresholds(limits: tuple[float, float] | None) -> builders.ThresholdsConfig:
    if limits is None:
        steps = [models.Threshold(None, GOOD)]
    elif limits[0] <= limits[1]:
        steps = [models.Threshold(None, GOOD), models.Threshold(limits[0], WARNING), models.Threshold(limits[1], BAD)]
    else:
        steps = [models.Threshold(None, BAD), models.Threshold(limits[1], WARNING), models.Threshold(limits[0], GOOD)]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _by_threshold() -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)
