"""Colours: what is well, what is not, and each outcome's own, the same on every panel."""

GOOD, WARNING, BAD = "green", "orange", "red"
PLAIN = "text"
"""Of a figure that is neither well nor ill."""
TRAFFIC = "blue"
"""Of curves that are shades of one colour, as nobody of them is better than another."""
LINE = "#8e8e8e"
"""Of an objective or a limit: a line to measure against, and no alarm."""

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
"""Colours of what was not served; none is a shade of those that are well."""

SERVED = {"ok": GOOD, "empty": "light-blue", "idle_timeout": "semi-dark-blue", "no_reply": "light-green"}
"""Colours of what ended in order."""

OF_OUTCOME = SERVED | FAILURES

OF_OBJECTIVE = {
    "client-availability": "blue",
    "client-latency": "light-blue",
    "server-availability": "purple",
    "server-latency": "light-purple",
}
"""Colours of objectives, by their `slo`."""
