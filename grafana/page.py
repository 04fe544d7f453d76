"""What dashboards share: variables, annotations, links, rows whose panels keep their numbers, and a panel."""

from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from grafana.colours import BAD, TRAFFIC, WARNING
from grafana.panels import DATASOURCE, RUNBOOK
from grafana.queries import FIRING, chosen, series
from socketscope.replay.measure import instruments as client
from socketscope.views import instruments as server

BUILDS = f'{{__name__=~"{server.BUILD.name}|{client.BUILD.name}"}}'
"""The series that every server and client has; jobs and instances are found by it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels.

    Attributes:
        panels: In reading order.
        folded: Whether it is closed until somebody opens it.
    """

    title: str
    panels: list[Any]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A dashboard.

    Attributes:
        builds: The series that its jobs and instances are found by.
        listeners: Whether it has figures by listener.
        rows: In reading order.
    """

    name: str
    description: str
    builds: str
    listeners: bool = False
    rows: list[Row]

    @property
    def uid(self) -> str:
        """The last part of its address."""
        return f"socketscope-{self.name}"

    def build(self) -> models.Dashboard:
        """Return it as Grafana reads it."""
        builder = (
            builders.Dashboard(f"socketscope: {self.name}")
            .uid(self.uid)
            .description(self.description)
            .tags(["socketscope"])
            .readonly()
            .refresh("5s")
            .time("now-15m", "now")
            .timezone("browser")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .links(_links())
            .with_variable(
                builders.DatasourceVariable("datasource")
                .label("Data source")
                .type("prometheus")
                .hide(models.VariableHide.HIDE_VARIABLE)
            )
            .with_variable(_variable("job", f"label_values({self.builds}, job)"))
            .with_variable(_variable("instance", f"label_values({_of_job(self.builds)}, instance)"))
            .annotations(_annotations())
        )
        if self.listeners:
            found = chosen(server.EXCHANGES.name)
            builder.with_variable(_variable("listener", f"label_values({found}, listener)"))
        for place, row in enumerate(self.rows, start=1):
            # Alerts link to these numbers: a panel added to one row must not change those in others.
            numbered = [panel.id(place * 100 + n) for n, panel in enumerate(row.panels, start=1)]
            head = builders.Row(row.title).id(place * 100)
            if row.folded:
                for panel in numbered:
                    head.with_panel(panel)
                builder.with_row(head)
            else:
                builder.with_row(head)
                for panel in numbered:
                    builder.with_panel(panel)
        return builder.build()


def _of_job(builds: str) -> str:
    return f'{builds[:-1]}, job=~"$job"}}' if builds.endswith("}") else f'{builds}{{job=~"$job"}}'


def _links() -> list[Any]:
    others = builders.DashboardLink("Dashboards").type(models.DashboardLinkType.DASHBOARDS)
    return [
        others.tags(["socketscope"]).keep_time(True).include_vars(True),
        builders.DashboardLink("Runbook").url(RUNBOOK).icon("doc").target_blank(True),
    ]


def _variable(name: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(query)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


class _Annotation:
    """An annotation with its texts and its time, which the SDK lacks."""

    def __init__(self, name: str, expression: str, colour: str, **more: str) -> None:
        self._known = models.AnnotationQuery(
            name=name, expr=expression, icon_color=colour, datasource=DATASOURCE
        )
        self._more = more

    def build(self) -> "_Annotation":
        return self

    def to_json(self) -> dict[str, object]:
        return {**self._known.to_json(), **self._more}


def _annotations() -> list[Any]:
    started, served, played = (
        f"last_over_time({one}[$__interval])"
        for one in (chosen("process_start_time_seconds"), series(server.BUILD), series(client.BUILD))
    )
    return [
        _Annotation(
            "Starts",
            # The start itself, also of what is new, or was gone again before the next step.
            f"{started} * 1000 and on (job, instance) ({served} or {played})",
            TRAFFIC,
            titleFormat="{{job}} started",
            textFormat="{{instance}}",
            useValueForTime="on",
        ),
        _Annotation(
            "Drains",
            # A drain is shown even if all its samples lie between two steps.
            f"max_over_time({series(server.DRAINING)}[$__interval]) == 1",
            WARNING,
            titleFormat="{{job}} drains",
            textFormat="{{instance}} was asked to stop",
        ),
        _Annotation(
            "Alerts",
            # What fired between two steps, or where rules are looked at more seldom what fires. Of a label that is not
            # there Grafana writes the name: those that are become one.
            f"label_join(max by (alertname, severity, job, instance, listener, slo)"
            f" (max_over_time({FIRING}[$__interval]) or {FIRING})"
            f', "where", " ", "severity", "job", "instance", "listener", "slo")',
            BAD,
            titleFormat="{{alertname}}",
            textFormat="{{where}}",
        ),
    ]
