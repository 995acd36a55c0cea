"""The command line that reproduces a result."""

import shlex

import click
from click.core import ParameterSource

__all__ = ["command_line"]


def command_line(context: click.Context) -> str:
    """The command with its given arguments and options, quoted for a shell."""
    words = ["allometry", context.info_name or ""]
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        values = value if parameter.multiple else (value,)
        for one in values:
            if isinstance(parameter, click.Argument):
                words.append(str(one))
            elif isinstance(parameter, click.Option) and parameter.is_flag:
                words.append(parameter.opts[-1])
            else:
                words += [parameter.opts[-1], f"{one:g}" if _is_short(one) else str(one)]
    return shlex.join(words)


def _is_short(value: object) -> bool:
    """Whether the value is a float that six digits represent exactly."""
    return isinstance(value, float) and float(f"{value:g}") == value
