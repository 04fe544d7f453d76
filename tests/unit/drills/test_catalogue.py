"""Each drill names what there is, and its client's script is one."""

import inspect

import pytest

from docs.pages import render_runbook
from drills.catalogue import DRILLS
from socketscope.replay.script.compiler import load
from tests.unit.grafana.drawn import ALERTS, PANELS

each_drill = pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)


def test_no_two_have_one_name_and_none_that_of_all():
    names = [drill.name for drill in DRILLS]
    assert len({*names, "all"}) == len(names) + 1


@each_drill
def test_its_alert_panel_and_page_exist(drill):
    assert drill.alert in {None, *(alert["alert"] for alert in ALERTS)}
    dashboard, title = drill.panel
    assert (f"socketscope-{dashboard}", title) in [(one.dashboard, one.panel["title"]) for one in PANELS]
    assert f'<h2 id="{drill.anchor}">' in render_runbook()


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
