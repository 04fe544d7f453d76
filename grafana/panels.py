"""Panels in the few forms that the dashboard has: a figure, curves, a heatmap."""

from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as queries

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What a panel asks and how it answers.

    Attributes:
        title: The question, in a few words.
        meaning: What it shows, and what to do about it.
        queries: Legend to expression.
        unit: As Grafana names it.
        width: Of 24 columns.
        height: In rows of 30 pixels.
        limits: Value to colour, upwards; the first one colours the rest.
        stacked: Whether curves lie on each other.
        colours: Legend to colour.
    """

    title: str
    meaning: str
    queries: dict[str, str]
    unit: str = "short"
    width: int = 8
    height: int = 8
    limits: dict[float, str] = field(default_factory=dict)
    stacked: bool = False
    colours: dict[str, str] = field(default_factory=dict)


def figure(panel: Panel) -> Any:
    """Return a single figure with its recent course."""
    builder = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(choices.BigValueGraphMode.AREA)
        .color_mode(choices.BigValueColorMode.VALUE)
        .decimals(None)
        .thresholds(_thresholds(panel.limits or {float("-inf"): "text"}))
    )
    return _dress(builder, panel)


def curves(panel: Panel) -> Any:
    """Return curves over time."""
    builder = (
        timeseries.Panel()
        .min(0)
        .line_width(1)
        .fill_opacity(25 if panel.stacked else 8)
        .show_points(choices.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(choices.LegendDisplayMode.LIST)
            .placement(choices.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(choices.TooltipDisplayMode.MULTI)
            .sort(choices.SortOrder.DESCENDING)
        )
    )
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL))
    if panel.limits:
        builder.thresholds(_thresholds(panel.limits))
        builder.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(choices.GraphThresholdsStyleMode.LINE)
        )
    for legend, colour in panel.colours.items():
        fixed = models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
        builder.override_by_name(legend, [fixed])
    return _dress(builder, panel)


def durations(panel: Panel) -> Any:
    """Return a heatmap of a histogram's buckets over time."""
    builder = (
        heatmap.Panel()
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .steps(64)
            .exponent(0.5)
            .fill("dark-orange")
        )
        .cell_gap(1)
        .show_legend()
    )
    return _dress(builder, panel, queries.PromQueryFormat.HEATMAP)


def _dress(
    builder: Any, panel: Panel, form: queries.PromQueryFormat = queries.PromQueryFormat.TIME_SERIES
) -> Any:
    builder.title(panel.title).description(panel.meaning).datasource(DATASOURCE).unit(panel.unit)
    builder.span(panel.width).height(panel.height)
    for number, (legend, expression) in enumerate(panel.queries.items()):
        builder.with_target(
            prometheus.Dataquery()
            .expr(expression)
            .legend_format(legend)
            .ref_id(chr(ord("A") + number))
            .format(form)
            .range()
        )
    return builder


def _thresholds(limits: dict[float, str]) -> builders.ThresholdsConfig:
    steps = [
        models.Threshold(value=None if number == 0 else value, color=colour)
        for number, (value, colour) in enumerate(limits.items())
    ]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
