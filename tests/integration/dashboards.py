"""The committed dashboards: what Grafana would ask for them, and what their tiles would show."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from .clone import ROOT
from .conftest import Stack

FILES = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
DASHBOARDS = [json.loads(file.read_text(encoding="utf-8")) for file in FILES]

# Four scrape intervals and one, as Grafana computes the first two, and the range that dashboards open with.
VARIABLES = {"$__rate_interval": "8s", "$__interval": "2s", "$__range": "15m"} | dict.fromkeys(
    ("$job", "$instance", "$listener"), ".+"
)


def filled_in(expression: str) -> str:
    """Return an expression with what Grafana would put for its variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@dataclass(frozen=True)
class Target:
    """One of a panel's queries."""

    dashboard: str
    panel: dict[str, Any]
    legend: str
    expression: str

    def __str__(self) -> str:
        return f"{self.dashboard.removeprefix('socketscope-')}: {self.panel['title']}: {self.legend}"

    def ask(self, stack: Stack, at: float) -> list[dict[str, Any]]:
        return stack.query(filled_in(self.expression), at)

    def shows(self, series: list[dict[str, Any]]) -> list[tuple[str, str]]:
        """Return text and colour of each figure that a tile shows of its last values."""
        return [self._figure(float(one["value"][1])) for one in series] or [self._figure(None)]

    def _figure(self, value: float | None) -> tuple[str, str]:
        defaults = self.panel["fieldConfig"]["defaults"]
        steps = self._own("thresholds", defaults.get("thresholds", {"steps": ()}))["steps"]
        known = value is not None and not math.isnan(value)
        reached = [
            step["color"] for step in steps if step["value"] is None or (known and step["value"] <= value)
        ]
        for mapping in defaults["mappings"]:
            if mapping["type"] == "special" and not known:
                result = mapping["options"]["result"]
                return result["text"], result["color"]
            if mapping["type"] == "value" and known and f"{value:g}" in mapping["options"]:
                result = mapping["options"][f"{value:g}"]
                return result["text"], result["color"]
        if value is None:
            return defaults["noValue"], reached[-1]
        if defaults["unit"] == "percentunit":
            return f"{value:.{defaults['decimals']}%}", reached[-1]
        return f"{value:g}", reached[-1]

    def _own(self, name: str, default: Any) -> Any:
        for override in self.panel["fieldConfig"]["overrides"]:
            if override["matcher"] == {"id": "byName", "options": self.legend}:
                for one in override["properties"]:
                    if one["id"] == name:
                        return one["value"]
        return default


TARGETS = [
    Target(dashboard["uid"], panel, target["legendFormat"], target["expr"])
    for dashboard in DASHBOARDS
    for outer in dashboard["panels"]
    for panel in (outer, *outer.get("panels", ()))
    for target in panel.get("targets", ())
]
TILES = [
    target
    for target in TARGETS
    if target.panel["type"] == "stat" and target.dashboard == "socketscope-overview"
]
TIMELINES = [target for target in TARGETS if target.panel["type"] == "state-timeline"]
VALUES = {
    (dashboard["uid"], variable["name"]): re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
    for dashboard in DASHBOARDS
    for variable in dashboard["templating"]["list"]
    if variable["type"] == "query"
}
"""Of each variable, the series and the label that has its values."""
ANNOTATIONS = {
    (dashboard["uid"], annotation["name"]): annotation["expr"]
    for dashboard in DASHBOARDS
    for annotation in dashboard["annotations"]["list"]
}
