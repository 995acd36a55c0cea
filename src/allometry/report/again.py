"""The Python call that reproduces a result, with the arguments that differ from the defaults."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from allometry.fitting.options import FitOptions

__all__ = ["fit_call", "python_call"]

IMPORTS = {
    "Counting": "from allometry.plan.frontier.conventions import Counting",
    "FitOptions": "from allometry.fitting.options import FitOptions",
    "Machines": "from allometry.plan.beyond.beside import Machines",
    "Peak": "from allometry.plan.beyond.money import Peak",
    "law_of": "from allometry.fitting.files import law_of",
}
SAID_BY_DEFAULT = ("Counting()", "FitOptions()")


def python_call(
    source: Path | None, columns: Mapping[str, str] | None, *, laws: Sequence[str], **choices: Any
) -> str:
    """The call of `allometry.plan.question.plan`, with arguments that differ from the defaults.

    Args:
        laws: names of laws, or paths of files.
    """
    from allometry.plan.question import plan

    arguments = [_written(value) for value in (source, columns) if value]
    if laws:
        forms = [f"law_of({name!r})" if name.endswith(".py") else repr(name) for name in laws]
        arguments.append(f"laws=[{', '.join(forms)}]")
    arguments += _changed(plan, choices)
    call = f"plan = make_plan({', '.join(arguments)})"
    imports = ["from allometry.plan.question import plan as make_plan"]
    imports += [line for word, line in IMPORTS.items() if f"{word}(" in call]
    return "\n".join([*imports, call, "print(plan.to_json())"])


def fit_call(source: Path, law: str, columns: Mapping[str, str], options: FitOptions) -> str:
    """The call of `allometry.fitting.fit.fit`, with arguments that differ from the defaults.

    Args:
        law: name of the law.
    """
    from allometry.fitting.fit import fit

    choices = {field.name: getattr(options, field.name) for field in fields(options)}
    arguments = [_written(source), repr(law), repr(dict(columns)), *_changed(fit, choices)]
    return "\n".join([
        "from allometry.fitting.fit import fit as make_fit",
        f"fitted = make_fit({', '.join(arguments)})",
        "print(fitted.to_json())",
    ])  # fmt: skip


def _changed(function: Callable[..., object], choices: Mapping[str, Any]) -> list[str]:
    """Keyword arguments that differ from the defaults of a function."""
    defaults, words = signature(function).parameters, []
    for name, value in choices.items():
        text, default = _written(value), _written(defaults[name].default)
        if (value or value == 0) and text != default and text not in SAID_BY_DEFAULT:
            words.append(f"{name}={text}")
    return words


def _written(value: Any) -> str:
    """A value as a Python expression; a dataclass with the fields that differ from defaults."""
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
