"""The dashboards as they are drawn, for the tests that look at them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.files import PAGES, render

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Drawn:
    """A panel, and the dashboard that it is on."""

    dashboard: str
    panel: dict[str, Any]

    @property
    def expressions(self) -> list[str]:
        return [target["expr"] for target in self.panel["targets"]]

    @property
    def width(self) -> float:
        """Pixels on a screen of 1280, of which the page has some for its margins."""
        return float(self.panel["gridPos"]["w"]) * 52 - 8


def _panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        panel
        for outer in dashboard["panels"]
        for panel in (outer, *outer.get("panels", ()))
        if panel["type"] != "row"
    ]


DASHBOARDS: dict[str, dict[str, Any]] = {page.uid: json.loads(render(path)) for path, page in PAGES.items()}
PANELS = [Drawn(uid, panel) for uid, dashboard in DASHBOARDS.items() for panel in _panels(dashboard)]


def _each(*kinds: str) -> pytest.MarkDecorator:
    drawn = [one for one in PANELS if one.panel["type"] in kinds]
    return pytest.mark.parametrize("drawn", drawn, ids=lambda one: f"{one.dashboard}: {one.panel['title']}")


each_panel = _each("stat", "timeseries", "heatmap", "state-timeline")
each_figure, each_curves, each_states = _each("stat"), _each("timeseries"), _each("state-timeline")
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS.keys())

ALERTS: list[dict[str, Any]] = [
    rule
    for file in sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
