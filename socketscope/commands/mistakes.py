"""What a user of a command line did wrong, and where."""

import re

import click
from click.core import ParameterSource


def complaint(error: click.ClickException) -> str:
    """Return what was wrong, in a line; of an option that the environment sets, also by which variable."""
    text = error.format_message()
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
