"""How an error is reported: a line for the user, and the exit status."""

import re

import click
from click.core import ParameterSource

from socketscope.excerpt import escaped

INTERNAL_ERROR = 70
CANNOT_WRITE = 74
BAD_SCRIPT = 3
NEVER_CONNECTED = 4
RATE_NOT_HELD = 5
FAILED = 1
"""Exit statuses; where several fit, the first."""


def complaint(error: click.ClickException) -> str:
    """Return what was wrong, in a line, and the variable that has set the option in question."""
    text = escaped(error.format_message())  # it repeats what was typed
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return text
    context = error.ctx
    variables = [
        str(option.envvar or f"{context.auto_envvar_prefix}_{option.name.upper()}")
        for option in context.command.params
        if option.name is not None
        and context.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT
        and re.search(rf"(?<![\w-]){option.opts[0]}(?![\w-])", text)
    ]
    return f"{text} (set by {', '.join(variables)})" if variables else text
