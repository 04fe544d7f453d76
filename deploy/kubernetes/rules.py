"""Prometheus' rules as the operator takes them, as they are committed."""

from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).parents[2]
RULES = Path(__file__).parent / "overlays" / "operator" / "rules.yaml"

_HEAD = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {name}
spec:
"""


def render() -> str:
    """Return a PrometheusRule for each file of `prometheus/rules`, its comments included."""
    sources = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    made = [_HEAD.format(name=source.stem) + indent(source.read_text("utf-8"), "  ") for source in sources]
    return "# Made from prometheus/rules by `python -m deploy.kubernetes`.\n" + "---\n".join(made)
