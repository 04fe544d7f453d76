import pytest

from grafana.files import PAGES, render
from socketscope.replay.measure.instruments import INSTRUMENTS as CLIENT
from socketscope.views.instruments import INSTRUMENTS as SERVER

from .drawn import DASHBOARDS, PANELS, ROOT, each_dashboard


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_is_committed_is_what_is_drawn(path):
    assert path.read_text(encoding="utf-8") == render(path), "run: python -m grafana"


def test_no_other_file_is_provisioned():
    assert set((ROOT / "grafana" / "dashboards").iterdir()) == PAGES.keys()


@each_dashboard
def test_it_can_be_provisioned_and_linked_to(dashboard):
    assert dashboard["editable"] is False
    assert "id" not in dashboard
    assert "__inputs" not in dashboard
    inner = [panel for row in dashboard["panels"] for panel in (row, *row.get("panels", ()))]
    identities = [panel["id"] for panel in inner]
    assert len(set(identities)) == len(identities)
    assert 0 not in identities


def test_the_home_page_is_one_of_them():
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert "/var/lib/grafana-dashboards/overview.json" in compose
    assert "socketscope-overview" in DASHBOARDS


def test_every_metric_is_on_one_of_them():
    shown = " ".join(expression for drawn in PANELS for expression in drawn.expressions)
    assert [i.name for i in (*SERVER, *CLIENT) if i.name not in shown] == []
