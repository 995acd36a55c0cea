"""What makes a result again: the command line as it was typed, and the same call in Python."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

__all__ = ["command_line", "python_call"]

IMPORTS = {
    "Counting": "from allometry.plan.frontier.conventions import Counting",
    "FitOptions": "from allometry.fitting.options import FitOptions",
    "Machines": "from allometry.plan.beyond.beside import Machines",
    "Peak": "from allometry.plan.beyond.money import Peak",
    "law_of": "from allometry.fitting.files import law_of",
}
SAID_BY_DEFAULT = ("Counting()", "FitOptions()")


def command_line(context: click.Context) -> str:
    """The command with the arguments and options that were given, for a shell."""
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
    """Whether six digits say a float exactly."""
    return isinstance(value, float) and float(f"{value:g}") == value


def python_call(
    source: Path | None, columns: Mapping[str, str] | None, *, laws: Sequence[str], **choices: Any
) -> str:
    """The call of `allometry.plan.question.plan` with what differs from its defaults.

    Args:
        laws: names, or paths of files.
    """
    from allometry.plan.question import plan

    arguments = [_written(value) for value in (source, columns) if value]
    if laws:
        forms = [f"law_of({name!r})" if name.endswith(".py") else repr(name) for name in laws]
        arguments.append(f"laws=[{', '.join(forms)}]")
    defaults = signature(plan).parameters
    for name, value in choices.items():
        text = _written(value)
        if value and text != _written(defaults[name].default) and text not in SAID_BY_DEFAULT:
            arguments.append(f"{name}={text}")
    call = f"plan = make_plan({', '.join(arguments)})"
    imports = ["from allometry.plan.question import plan as make_plan"]
    imports += [line for word, line in IMPORTS.items() if f"{word}(" in call]
    return "\n".join([*imports, call, "print(plan.to_json())"])


def _written(value: Any) -> str:
    """A value as Python; of a dataclass the fields that are not the default's."""
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value)
    changed = [
        f"{field.name}={_written(held)}"
        for field in fields(value)
        if (held := getattr(value, field.name)) or field.default
        if held != field.default
    ]
    return f"{type(value).__name__}({', '.join(changed)})"
