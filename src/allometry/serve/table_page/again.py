"""The command lines and Python code that reproduce an answer, ready to be copied."""

import shlex
from dataclasses import fields
from pathlib import Path

from allometry.errors import printable
from allometry.fitting.options import FitOptions
from allometry.plan.frontier.conventions import Counting
from allometry.report.again import fit_call, python_call
from allometry.serve.table_page.choices import Choices

__all__ = ["fit_again", "plan_again", "shell_word"]

LEADING = ("-", "~")  # a file name that begins so would be read as an option or a home folder


def shell_word(text: str) -> str:
    """The text quoted as one word of a shell.

    Control characters, which could affect the terminal it is pasted into, are escaped as bash, zsh
    and ksh read them.
    """
    written = printable(text)
    if written == text and not {"\n", "\t"} & set(text):
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    escaped = printable(escaped).replace("\n", "\\n").replace("\t", "\\t")
    return f"$'{escaped}'"


def fit_again(name: str, choices: Choices) -> dict[str, str]:
    """Command line and Python of the fit.

    Args:
        name: name of the file; the command is run in its folder.
    """
    options, columns = choices.fit_options(), choices.columns_of_fit()
    words = ["allometry", "fit", _file(name), "--law", choices.law.name, *_mapped(columns)]
    words += _of_fit(choices)
    if choices.run:
        words += ["--cluster", choices.run]
    python = fit_call(Path(_file(name)), choices.law.name, columns, options)
    return {"command": _line(words), "python": python}


def plan_again(name: str, choices: Choices, compute: float) -> dict[str, str]:
    """Command line and Python of the plan."""
    laws = [law.name for law in (choices.law, choices.other_law) if law is not None]
    words = ["allometry", "plan", _file(name), *_mapped(choices.columns), "--law", ",".join(laws)]
    words += ["--compute", _number(compute)]
    words += _of_counting(choices.counting)
    words += ["--run", choices.run] if choices.run else []
    words += ["--other-n", choices.other_n] if choices.other_n else []
    words += _of_fit(choices)
    python = python_call(
        Path(_file(name)), choices.columns, laws=laws, compute=compute, counting=choices.counting,
        run=choices.run, other_n=choices.other_n, fit=choices.fit_options(clusters=False),
    )  # fmt: skip
    return {"command": _line(words), "python": python}


def _file(name: str) -> str:
    return f"./{name}" if name.startswith(LEADING) else name


def _mapped(columns: dict[str, str]) -> list[str]:
    return [word for s, column in columns.items() for word in ("--map", f"{s}={column}")]


def _of_fit(choices: Choices) -> list[str]:
    """Options that differ from the defaults."""
    defaults, words = FitOptions(), [word for c in choices.where for word in ("--filter", c)]
    if choices.objective != defaults.objective:
        words += ["--objective", choices.objective]
    if choices.delta is not None:
        words += ["--delta", _number(choices.delta)]
    if choices.resamples != defaults.resamples:
        words += ["--resamples", str(choices.resamples)]
    return words


def _of_counting(counting: Counting) -> list[str]:
    plain, words = Counting(), list[str]()
    for field in fields(counting):
        value = getattr(counting, field.name)
        if value is not None and value != getattr(plain, field.name):
            words += [f"--{field.name.replace('_', '-')}",
                      _number(value) if isinstance(value, float) else str(value)]  # fmt: skip
    return words


def _number(value: float) -> str:
    """A number with as few digits as represent it exactly."""
    return min((repr(value), f"{value:g}"), key=lambda text: (float(text) != value, len(text)))


def _line(words: list[str]) -> str:
    return " ".join(map(shell_word, words))
