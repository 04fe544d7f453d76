"""The settings of a launched program, which its processes read from the environment."""

from collections.abc import Mapping
from typing import Any, get_args

from socketscope.serve.options import Threads
from socketscope.settings import Setting, choice, limit_settings, parse_metrics

PREFIX = "SOCKETSCOPE"

LAUNCHED = f"{PREFIX}_LAUNCHED"
"""The variable that has the number of the process that was launched."""

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
    # The delay is between two things that `run` does on a signal, and signals are the program's.
    *(limit for limit in limit_settings(program=False) if limit.name != "drain_delay"),
)  # fmt: skip


def settings_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what is set, by the names of variables.

    Raises:
        ValueError: A text is not a value of its setting.
    """
    values = {}
    for setting in SETTINGS:
        try:
            values[setting.name] = setting.parse(texts.get(setting.variable(PREFIX), setting.default))
        except ValueError as error:
            raise ValueError(f"{setting.flag}: {error}") from error
    return values
