"""What docs/your-own-server.md asks of a Prometheus that is not a stack's is what the rules need of it."""

import re

from .test_lookback import ROOT

TEXT = (ROOT / "docs" / "your-own-server.md").read_text(encoding="utf-8")
SECTION = " ".join(TEXT.partition("\n### A Prometheus")[2].split())


def test_it_names_each_job_that_rules_know_by_name():
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "prometheus/rules").glob("*.yml"))
    jobs = set(re.findall(r'job="(\w+)"', rules))
    assert jobs
    assert {job for job in jobs if f"as the job `{job}`" not in SECTION} == set()


def test_it_asks_for_as_many_days_as_the_stack_keeps():
    (days,) = re.findall(r"retention\.time=(\d+)d", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert f"keeps {days} days" in SECTION
