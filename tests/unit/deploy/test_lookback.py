"""How long a Prometheus counts what it has not seen again: in each stack, and for each rule."""

import re
from pathlib import Path

import pytest
import yaml

from socketscope.units import parse_duration

ROOT = Path(__file__).parents[3]
STACKS = ["docker-compose.yml", "deploy/swarm/stack.yml", "deploy/kubernetes/overlays/small/prometheus.yaml"]
CONFIGURATIONS = [
    "prometheus/prometheus.yml",
    "deploy/swarm/prometheus.yml",
    "deploy/kubernetes/overlays/small/prometheus.yml",
]
EVALUATED = yaml.safe_load((ROOT / CONFIGURATIONS[0]).read_text(encoding="utf-8"))["global"][
    "evaluation_interval"
]
"""How often a group is that does not say it."""

RULES = [*sorted((ROOT / "prometheus" / "rules").glob("*.yml")), ROOT / "deploy" / "swarm" / "wanted.yml"]


def lookback(stack: str) -> float:
    (duration,) = re.findall(r"--query\.lookback-delta=(\w+)", (ROOT / stack).read_text(encoding="utf-8"))
    return parse_duration(duration)


def test_every_stack_has_the_same():
    assert len({lookback(stack) for stack in STACKS}) == 1


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_what_is_scraped_comes_twice_in_it(configuration: str):
    text = (ROOT / configuration).read_text(encoding="utf-8")
    intervals = re.findall(r"\b(?:scrape|evaluation)_interval: (\w+)", text)
    assert len(intervals) >= 2
    assert 2 * max(map(parse_duration, intervals)) <= lookback(STACKS[0])


def test_the_page_says_how_seldom_may_be_scraped_at_most():
    # A rate needs two scrapes: whose window has fewer, an alert never fires.
    text = "".join(file.read_text(encoding="utf-8") for file in RULES)
    windows = [parse_duration(window) for window in re.findall(r"[a-z}]\[(\d+[smh])\]", text)]
    page = (ROOT / "docs" / "slo.md").read_text(encoding="utf-8")
    (most,) = re.findall(r"may do so every (\d+ s)\b", page)
    assert parse_duration(most.replace(" ", "")) == min(windows) / 2
    operators = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    assert f"[every {most}](slo.md#how-soon-it-is-told)" in operators


@pytest.mark.parametrize("rules", RULES, ids=lambda file: file.stem)
def test_what_is_recorded_comes_twice_in_it(rules: Path):
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    assert groups
    for group in groups:
        assert 2 * parse_duration(group.get("interval", EVALUATED)) <= lookback(STACKS[0]), group["name"]
