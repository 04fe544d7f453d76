"""The dashboard, drawn in Python; ``python -m grafana`` writes its JSON."""
