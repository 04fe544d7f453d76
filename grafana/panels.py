"""Panels in the few forms that the dashboards have: a figure, curves, a heatmap, states over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as queries

from grafana.colours import LINE, OF_OUTCOME, PLAIN, TRAFFIC

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOK = "http://localhost:9090/user/runbook.html"
"""Where Prometheus serves the runbook."""

Limits = Mapping[float, str]
"""From a value upwards to its colour; the first colour also holds below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What a panel asks and how it answers.

    Attributes:
        title: The question, in a few words.
        meaning: What it shows, and what to do about it.
        runbook: The section of the runbook that has more.
        queries: Expressions by legend.
        nothing: What it shows if there is no data.
        unit: As Grafana names it.
        width: Of 24 columns.
        height: In rows of 30 pixels.
        limits: For a figure.
        limits_of: The same by legend, where figures beside each other differ.
        words: For a figure or a state: text and colour by value; None is an unknown value.
        decimals: For a figure.
        instant: Whether a figure is that at the end of the time range, without its course; others are those of now, with
            the course of the last quarter of an hour.
        stacked: Whether curves are stacked.
        outcomes: For curves: outcomes, at the end of a legend, that have the same colour on every panel.
        colours: Legend to colour; what has neither is of Grafana's palette.
        right: Of curves: the one that has an axis of its own, as on that of the others it would be flat.
        line: Of curves: the limit that they are measured against.
        top: For curves: the least value at which the axis may end.
        logarithmic: For curves: whether the axis has decades. It ends where the curves do, so a line must be one of them.
    """

    title: str
    meaning: str
    runbook: str
    queries: Mapping[str, str]
    nothing: str = "none"
    unit: str = "short"
    width: int = 8
    height: int = 8
    limits: Limits = field(default_factory=lambda: {0: PLAIN})
    limits_of: Mapping[str, Limits] = field(default_factory=dict)
    words: Mapping[float | None, tuple[str, str]] = field(default_factory=dict)
    decimals: int | None = None
    instant: bool = False
    stacked: bool = False
    outcomes: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    right: str | None = None
    line: float | None = None
    top: float | None = None
    logarithmic: bool = False


def figure(panel: Panel) -> Any:
    """Return a figure as of now, with its recent course unless it is instant or stands beside others."""
    named = any("{{" in legend for legend in panel.queries)
    several = named or len(panel.queries) > 1
    builder = (
        stat.Panel()
        # The last value even if it is null: what has ended must not look well.
        .reduce_options(common.ReduceDataOptions().calcs(["last"]))
        .graph_mode(
            choices.BigValueGraphMode.NONE if panel.instant or several else choices.BigValueGraphMode.AREA
        )
        .color_mode(choices.BigValueColorMode.VALUE)
        .text_mode(choices.BigValueTextMode.VALUE_AND_NAME if several else choices.BigValueTextMode.VALUE)
        .mappings(_mappings(panel.words))
        .thresholds(_thresholds(panel.limits))
        .min(0)
    )
    if named:  # one below the other: three side by side have no room for their names
        builder.orientation(choices.VizOrientation.HORIZONTAL)
    if panel.unit == "percentunit":
        builder.max(1)
    if not panel.instant:
        # With the steps of the whole time range, its last value would be up to one step old: over a week an hour.
        builder.time_from("now-15m").hide_time_override(True)
    if panel.decimals is not None:
        builder.decimals(panel.decimals)
    for legend, limits in panel.limits_of.items():
        steps = models.DynamicConfigValue(id_val="thresholds", value=_thresholds(limits).build())
        builder.override_by_name(legend, [steps])
    return _dress(builder, panel)


def curves(panel: Panel) -> Any:
    """Return curves over time."""
    builder = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(25 if panel.stacked else 0)
        .show_points(choices.VisibilityMode.NEVER)
        # Not shades of one colour: two replicas could not be told apart.
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
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
    if panel.logarithmic:
        decades = common.ScaleDistributionConfig().type(choices.ScaleDistribution.LOG).log(10)
        builder.scale_distribution(decades)
    else:  # from 0, which a logarithmic axis lacks, or below, as a budget may be overspent
        builder.axis_soft_min(0)
    if panel.top is not None:
        builder.axis_soft_max(panel.top)
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL))
    if panel.line is not None:
        builder.thresholds(_thresholds({0: "transparent", panel.line: LINE}))
        builder.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(choices.GraphThresholdsStyleMode.DASHED)
        )
    for outcome in panel.outcomes:
        builder.override_by_regexp(f"/(^|: ){outcome}$/", [_fixed(OF_OUTCOME[outcome])])
    for legend, colour in panel.colours.items():
        builder.override_by_name(legend, [_fixed(colour)])
    if panel.right is not None:
        axis = models.DynamicConfigValue(id_val="custom.axisPlacement", value="right")
        builder.override_by_name(panel.right, [axis])
    if "objective" in panel.queries:
        dashes = models.DynamicConfigValue(
            id_val="custom.lineStyle", value={"fill": "dash", "dash": [10, 10]}
        )
        builder.override_by_name("objective", [_fixed(LINE), dashes])
    return _dress(builder, panel)


def durations(panel: Panel) -> Any:
    """Return a heatmap of a histogram's buckets over time."""
    builder = (
        heatmap.Panel()
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit("s"))
        .cell_values(heatmap.CellValues().unit(panel.unit))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            # Both of its ends stand out from a dark page as from a light one.
            .scheme("Cool")
            .steps(64)
            .exponent(0.5)
            .fill(TRAFFIC)
        )
        .cell_gap(1)
        .show_legend()
    )
    return _dress(builder, panel, queries.PromQueryFormat.HEATMAP)


def states(panel: Panel) -> Any:
    """Return a timeline of the state of each of several."""
    builder = (
        statetimeline.Panel()
        .row_height(0.8)
        .merge_values(True)
        .show_value(choices.VisibilityMode.AUTO)
        .mappings(_mappings(panel.words))
        .legend(common.VizLegendOptions().show_legend(False))
    )
    return _dress(builder, panel)


def _dress(
    builder: Any, panel: Panel, form: queries.PromQueryFormat = queries.PromQueryFormat.TIME_SERIES
) -> Any:
    link = builders.DashboardLink("Runbook").url(f"{RUNBOOK}#{panel.runbook}").target_blank(True)
    builder.title(panel.title).description(panel.meaning).datasource(DATASOURCE).unit(panel.unit)
    builder.span(panel.width).height(panel.height).no_value(panel.nothing).links([link])
    for number, (legend, expression) in enumerate(panel.queries.items()):
        target = (
            prometheus.Dataquery()
            .expr(expression)
            .legend_format(legend)
            .ref_id(chr(ord("A") + number))
            .format(form)
        )
        builder.with_target(target.instant() if panel.instant else target.range())
    return builder


def _fixed(colour: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _mappings(words: Mapping[float | None, tuple[str, str]]) -> list[models.ValueMapping]:
    made: list[models.ValueMapping] = []
    for value, (text, colour) in words.items():
        result = models.ValueMappingResult(text=text, color=colour, index=len(made))
        if value is None:
            unknown = models.DashboardSpecialValueMapOptions(
                match=models.SpecialValueMatch.NULL_AND_NAN, result=result
            )
            made.append(models.SpecialValueMap(options=unknown))
        else:
            made.append(models.ValueMap(options={f"{value:g}": result}))
    return made


def _thresholds(limits: Limits) -> builders.ThresholdsConfig:
    steps = [
        models.Threshold(value=None if number == 0 else value, color=colour)
        for number, (value, colour) in enumerate(limits.items())
    ]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
