"""What makes a result again: the command line as it was typed, and the same call in Python."""

import shlex
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

__all__ = ["command_line", "python_call"]

IMPORTS = {
    "Counting(": "from allometry.plan.conventions import Counting",
    "Machines(": "from allometry.plan.beside import Machines",
    "Peak(": "from allometry.plan.money import Peak",
    "FitOptions(": "from allometry.fitting.options import FitOptions",
    "law_of(": "from allometry.fitting.files import law_of",
}


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
    source: Path | None, columns: Mapping[str, str], *, laws: list[str], **choices: Any
) -> str:
    """The call of `allometry.plan.question.plan` with what differs from its defaults."""
    arguments = [] if source is None else [repr(str(source))]
    if columns:
        arguments.append(repr(dict(columns)))
    if laws:
        forms = [f"law_of({name!r})" if name.endswith(".py") else repr(name) for name in laws]
        arguments.append(f"laws=[{', '.join(forms)}]")
    for name, value in choices.items():
        text = _written(value)
        if text not in ("", "None", *UNSAID.get(name, ())):
            arguments.append(f"{name}={text}")
    call = f"plan = make_plan({', '.join(arguments)})"
    imports = ["from allometry.plan.question import plan as make_plan"]
    imports += [line for word, line in IMPORTS.items() if word in call]
    return "\n".join([*imports, call, "print(plan.to_json())"])


# Values that say no more than the default.
UNSAID = {
    "repeat": ("'law'",), "counting": ("Counting()",), "fit": ("FitOptions()",),
    "advise": ("False",), "fit_where": ("()",), "try_counting": ("[]",),
}  # fmt: skip


def _written(value: Any) -> str:
    """A value as Python; of a dataclass the fields that are not the default's."""
    if not is_dataclass(value) or isinstance(value, type) or _needs_values(value):
        return repr(value)
    default: Any = type(value)()
    changed = [
        f"{field.name}={getattr(value, field.name)!r}"
        for field in fields(value)
        if (getattr(value, field.name) or None) != (getattr(default, field.name) or None)
    ]
    return f"{type(value).__name__}({', '.join(changed)})"


def _needs_values(value: Any) -> bool:
    """Whether a dataclass cannot be made without values."""
    return any(f.default is MISSING and f.default_factory is MISSING for f in fields(value))
