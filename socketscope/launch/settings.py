"""The settings of a launched program, which its processes read from the environment."""

from collections.abc import Mapping
from typing import Any, get_args

from socketscope.serve.options import Threads
from socketscope.settings import Setting, choice, limit_settings, parse_metrics

PREFIX = "SOCKETSCOPE"

LAUNCHED = f"{PREFIX}_LAUNCHED"
"""The variable with the number of the launched process."""

SETTINGS = (
    Setting(
        "metrics", "HOST:PORT|none", parse_metrics, "127.0.0.1:9464",
        "Where to serve /metrics, /healthz and /readyz once a server runs, or none.",
    ),
    Setting(
        "log", "none|json|console", choice(("none", "json", "console")), "none",
        "Format of the log on standard error, a line per connection.",
    ),
    Setting(
        "threads", "|".join(get_args(Threads)), choice(get_args(Threads)), "per-connection",
        "A new thread for each connection, as the standard library has it, or pooled ones.",
    ),
    # The delay is part of what `run` does on a signal, and signals are the program's own.
    *(limit for limit in limit_settings(program=False) if limit.name != "drain_delay"),
)  # fmt: skip


def settings_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of all settings, by their names.

    Raises:
        ValueError: A text is wrong for its setting.
    """
    values = {}
    for setting in SETTINGS:
        try:
            values[setting.name] = setting.parse(texts.get(setting.variable(PREFIX), setting.default))
        except ValueError as error:
            raise ValueError(f"{setting.flag}: {error}") from error
    return values
