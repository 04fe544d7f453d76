"""What each Prometheus keeps: the month of the budgets, and of its own figures what a rule asks for."""

import json
import re

import pytest
import yaml

from socketscope.units import parse_duration

from .test_lookback import CONFIGURATIONS, EVALUATED, ROOT, STACKS

DAY = 86_400
SERVERS, SERVER, CLIENT, RULES = 4, 92, 481, 24
"""Of the demo with replicas; samples of a scrape of each and of a look at the rules, as seen on the stack."""
BYTES = json.loads((ROOT / "docs" / "scaling.json").read_text(encoding="utf-8"))["sample"]
ITS_START = {"source_labels": ["__name__"], "regex": "process_start_time_seconds", "action": "keep"}


def kept(stack: str) -> str:
    (size,) = re.findall(
        r"--storage\.tsdb\.retention\.size=(\w+)", (ROOT / stack).read_text(encoding="utf-8")
    )
    return str(size)


@pytest.mark.parametrize("stack", STACKS)
def test_there_is_room_for_the_month_of_the_budgets(stack: str):
    samples = (SERVERS * SERVER + CLIENT + 1 + RULES) / parse_duration(EVALUATED)
    assert float(kept(stack).removesuffix("GB")) * 2**30 > samples * 30 * DAY * BYTES


def test_the_page_says_what_is_kept_and_the_pods_volume_has_room_for_it():
    size = kept(STACKS[0]).replace("GB", " GB")
    assert f"Prometheus keeps 31 days, or {size}" in (ROOT / "docs" / "slo.md").read_text(encoding="utf-8")
    (volume,) = re.findall(r"sizeLimit: (\d+)Gi", (ROOT / STACKS[2]).read_text(encoding="utf-8"))
    assert int(volume) > int(size.removesuffix(" GB"))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_of_itself_it_keeps_its_start(configuration: str):
    # It has some 900 series, more than all that it watches together, and of these the rules ask for one.
    jobs = yaml.safe_load((ROOT / configuration).read_text(encoding="utf-8"))["scrape_configs"]
    (itself,) = [job for job in jobs if job["job_name"] == "prometheus"]
    assert itself["metric_relabel_configs"] == [ITS_START]


def test_an_operators_does_likewise():
    text = (ROOT / "deploy/kubernetes/overlays/operator/monitors.yaml").read_text(encoding="utf-8")
    (itself,) = [one for one in yaml.safe_load_all(text) if one["metadata"]["name"] == "prometheus"]
    (endpoint,) = itself["spec"]["podMetricsEndpoints"]
    kept = {"sourceLabels" if key == "source_labels" else key: value for key, value in ITS_START.items()}
    assert endpoint["metricRelabelings"] == [kept]
