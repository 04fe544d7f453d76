"""Each drill names what there is, and its client's script is one."""

import inspect
import json
import re
from pathlib import Path

import pytest
import yaml

from drills.catalogue import DRILLS
from socketscope.replay.script.compiler import load

ROOT = Path(__file__).parents[3]
RULES = [
    rule["alert"]
    for file in (ROOT / "prometheus" / "rules").glob("*.yml")
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]

each_drill = pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)


def test_no_two_have_one_name_and_none_that_of_all():
    names = [drill.name for drill in DRILLS]
    assert len({*names, "all"}) == len(names) + 1


@each_drill
def test_its_alert_panel_and_page_exist(drill):
    assert drill.alert is None or drill.alert in RULES
    dashboard, title = drill.panel
    drawn = json.loads((ROOT / "grafana" / "dashboards" / f"{dashboard}.json").read_text(encoding="utf-8"))
    panels = [panel for outer in drawn["panels"] for panel in (outer, *outer.get("panels", ()))]
    assert title in {panel["title"] for panel in panels}
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {drill.page}$", runbook, re.MULTILINE)


SCRIPTS = {drill.name: inspect.getclosurevars(inspect.unwrap(drill.fault)).nonlocals for drill in DRILLS}


@pytest.mark.parametrize("name", [name for name, given in SCRIPTS.items() if "script" in given])
def test_a_clients_script_is_understood(name, tmp_path):
    script = tmp_path / "drill.talk"
    script.write_text(SCRIPTS[name]["script"], encoding="utf-8")
    (program,) = load(script)
    assert not program.is_greeted


@pytest.mark.parametrize("name", [name for name, given in SCRIPTS.items() if "text" in given])
def test_a_program_is_python(name):
    compile(SCRIPTS[name]["text"], name, "exec")
