"""Colours of failures, the same in `top` and on the dashboards."""

FAILURES = {
    "forced": "purple",
    "handler_error": "red",
    "line_too_long": "yellow",
    "read_timeout": "orange",
    "write_timeout": "dark-orange",
    "reset": "dark-red",
    "truncated": "dark-yellow",
    "no_address": "light-purple",
    "dropped": "dark-purple",
    "dns_error": "light-purple",
    "connect_timeout": "dark-orange",
    "refused": "semi-dark-purple",
    "no_port": "dark-yellow",
    "tls_error": "dark-purple",
    "send_error": "light-orange",
    "timeout": "orange",
    "closed": "light-red",
    "short_reply": "semi-dark-yellow",
    "mismatch": "red",
    "unexpected_data": "yellow",
    "capacity": "semi-dark-purple",
    "verify": "light-yellow",
    "fd_limit": "red",
    "no_buffers": "orange",
    "aborted": "dark-red",
    "other": "purple",
}
"""Grafana's names of colours; none is a shade of a colour for what was served."""

_IN_DARK = {
    "red": "#f2495c",
    "light-red": "#ff7383",
    "dark-red": "#c4162a",
    "orange": "#ff9830",
    "light-orange": "#ffb357",
    "dark-orange": "#fa6400",
    "yellow": "#fade2a",
    "light-yellow": "#ffee52",
    "semi-dark-yellow": "#f2cc0c",
    "dark-yellow": "#e0b400",
    "purple": "#b877d9",
    "light-purple": "#ca95e5",
    "semi-dark-purple": "#a352cc",
    "dark-purple": "#8f3bb8",
}
"""What these names stand for in Grafana's dark theme."""

_DROPPED = dict.fromkeys(("datagrams lost", "log lines dropped", "passes dropped"), "red")

OF_FAILURE = {name: _IN_DARK[colour] for name, colour in (FAILURES | _DROPPED).items()}
"""Colours for a terminal, by the names that `top` shows."""
