"""The dashboards, drawn in Python; ``python -m grafana`` writes their JSON."""
