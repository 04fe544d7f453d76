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
"""Where Prometheus shows the runbook to who looks at the dashboards."""

Limits = Mapping[float, str]
"""Value to colour, upwards; the first one colours the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What a panel asks and how it answers.

    Attributes:
        title: The question, in a few words.
        meaning: What it shows, and what to do about it.
        runbook: The section of the runbook that has more.
        queries: Legend to expression.
        nothing: What stands there where there is nothing to show.
        unit: As Grafana names it.
        width: Of 24 columns.
        height: In rows of 30 pixels.
        limits: Of a figure.
        limits_of: The same by legend, where its figures differ.
        words: Of a figure or a state: value to text and colour; None is what is not known.
        decimals: Of a figure.
        instant: Whether a figure is asked for once, at the end of what is looked at, and has no course; others are of
            now, with the course of a quarter of an hour.
        stacked: Whether curves lie on each other.
        outcomes: Of curves: what legends end with that has a colour of its own everywhere.
        colours: Legend to colour; what has neither is of Grafana's palette.
        line: Of curves: the limit that they are measured against.
        top: Of curves: up to where the axis goes at least.
        logarithmic: Of curves: over decades, whose axis ends where the curves do: a line has to be one of them.
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
    line: float | None = None
    top: float | None = None
    logarithmic: bool = False


def figure(panel: Panel) -> Any:
    """Return a figure as it is now, with its recent course unless it is instant or stands beside others."""
    named = any("{{" in legend for legend in panel.queries)
    several = named or len(panel.queries) > 1
    builder = (
        stat.Panel()
        # The last value even if it is none: what ended is not still well.
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
    if named:  # below each other, as beside each other three have no room for their names
        builder.orientation(choices.VizOrientation.HORIZONTAL)
    if panel.unit == "percentunit":
        builder.max(1)
    if not panel.instant:
        # Its steps are those of what is looked at, and its last is as old as one: over a week up to an hour.
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
        # Not shades of one colour: those of two replicas cannot be told from each other.
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
    else:  # it begins at 0, which decades have no place for, or below: a budget may be overspent
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
            # Its ends can both be told from a dark and from a light page.
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
    """Return what state each of several was in, over time."""
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
