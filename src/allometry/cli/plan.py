"""Commands for planning: the run to train for a budget, and the next runs to make."""

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allometry.cli.again import command_line
from allometry.cli.help import example
from allometry.cli.laws import of_fit
from allometry.cli.names import FLOPS
from allometry.cli.options import (
    FILE_OR_FOLDER,
    completed_by,
    counts,
    law_name,
    mapped_columns,
    numbers,
)
from allometry.cli.output import print_json, write
from allometry.errors import UsageError
from allometry.fitting.options import FitOptions

if TYPE_CHECKING:
    from allometry.plan.document import Plan

__all__ = ["next_", "plan"]

ACCOUNTS = ("lifetime", "equal-quality")
REPEATS = ("law", "never")
PAGES = (".html", ".htm")
OF_FITS = ("objective", "delta", "starts", "resamples", "interval", "level", "seed")


def as_of_fit(*names: str) -> list[click.Parameter]:
    """Options of `allometry fit`, hidden from the help; `AS_OF_FIT` lists their names there."""
    return [_hidden(parameter) for parameter in of_fit(*names)]


def _hidden(parameter: click.Parameter) -> click.Parameter:
    hidden = copy(parameter)
    if isinstance(hidden, click.Option):
        hidden.hidden = True
    return hidden


FIT_OPTIONS = as_of_fit(
    "drop_largest", "objective", "delta", "starts", "resamples", "interval", "level", "seed"
)
AS_OF_FIT = (
    "Also, as for `allometry fit`: --drop-largest, --objective, --delta, --starts, --resamples, "
    "--interval, --level, --seed."
)

SOURCE = [
    click.Argument(["source"], type=FILE_OR_FOLDER, required=False),
    click.Option(["--map", "mapping"], multiple=True, metavar="SYMBOL=COLUMN",
                 shell_complete=completed_by("mapped_columns"),
                 help="Columns of N, L, and D or C: N=params."),
    click.Option(["--law", "--laws", "laws"], multiple=True, metavar="LAW,...",
                 shell_complete=completed_by("list_of_laws"),
                 help="Laws of N and D; the first gives the plan."),
]  # fmt: skip
BUDGET = [
    click.Option(["--compute"], type=float, metavar="FLOP", help="Compute for training."),
    click.Option(["--target-loss"], type=float, metavar="L",
                 help="Loss to reach with the least compute."),
    click.Option(["--size"], type=float, metavar="N",
                 help="Fixed N. Alone: plan its best tokens."),
    click.Option(["--tokens-per-parameter"], type=float, metavar="K", help="Fixed D/N."),
    click.Option(["--unique-data"], type=float, metavar="TOKENS",
                 help="Number of unique training tokens available."),
    click.Option(["--repeat"], type=click.Choice(REPEATS), default="law",
                 help="Repeat data by Muennighoff's law, or never."),
    click.Option(["--inference-tokens"], type=float, metavar="TOKENS",
                 help="Tokens that the trained model will process."),
    click.Option(["--account"], type=click.Choice(ACCOUNTS), metavar="NAME",
                 help="lifetime (--compute also pays for inference) or equal-quality (least FLOP "
                 "in total)."),
]  # fmt: skip
COUNTING = [
    click.Option(["--flops"], type=click.Choice(FLOPS), metavar="NAME", default="6nd_total",
                 show_default=True,
                 help="How C and N are counted. 6nd_total: C = 6ND, N all parameters. Without "
                 "embeddings in N: 6nd_body: C = 6ND; 6nd_body_plus_head: with head; "
                 "with_attention: with head and attention; deepseek: as in that paper. measured: "
                 "C from its column."),
    click.Option(["--vocabulary"], type=int, metavar="V", help="Vocabulary size, for --flops."),
    click.Option(["--sequence"], type=int, metavar="TOKENS", help="Sequence length, for --flops."),
    click.Option(["--aspect-ratio"], type=float, metavar="R", help="Width / layers, for --flops."),
    click.Option(["--run"], metavar="COLUMN", shell_complete=completed_by("columns"),
                 help="Names the run, if rows are checkpoints."),
]  # fmt: skip
BESIDE = [
    click.Option(["--fit-where"], multiple=True, metavar='"COLUMN<=VALUE"',
                 shell_complete=completed_by("columns"),
                 help="Rows to fit; the others are scored."),
    click.Option(["--other-n"], metavar="COLUMN", shell_complete=completed_by("columns"),
                 help="Another count of N; shows what changes."),
    click.Option(["--try-flops"], multiple=True, metavar="NAME,...",
                 shell_complete=completed_by("flops"),
                 help="Plans under these --flops, side by side."),
    click.Option(["--against"], type=FILE_OR_FOLDER, metavar="TABLE|FIT",
                 help="Another recipe, to compare at equal loss."),
    click.Option(["--gpus"], type=click.IntRange(1), metavar="K",
                 help="Number of GPUs, for the hours."),
    click.Option(["--peak"], type=float, metavar="FLOP/S", help="Peak of one GPU."),
    click.Option(["--peak-kind"], type=click.Choice(["dense", "sparse"]), metavar="KIND",
                 help="dense, or sparse, of which half is used."),
    click.Option(["--mfu"], type=float, metavar="SHARE",
                 help="Share of the peak reached, such as 0.4."),
    click.Option(["--price"], type=float, metavar="DOLLARS", help="Price of one GPU hour."),
    click.Option(["--advise"], is_flag=True, help="Show published batch sizes and learning rates."),
]  # fmt: skip


@click.command(
    short_help="The run to train for a budget.",
    epilog=f"{AS_OF_FIT}\n\n{example('plan fit.json --compute 1e24')}",
    params=[
        *SOURCE,
        click.Option(["--parameters"], metavar="NAME=VALUE,...",
                     help="Parameters of the law, instead of a table."),
        click.Option(["--design"], is_flag=True,
                     help="Precision of the runs, instead of a plan."),
        click.Option(["--noise"], type=float, metavar="SD",
                     help="Scatter of ln L, for --design --parameters."),
        *BUDGET,
        *COUNTING,
        *BESIDE,
        *of_fit("filters"),
        *FIT_OPTIONS,
        *of_fit("output", "as_json"),
    ],
)  # fmt: skip
def plan(
    source: Path | None, mapping: Sequence[str], laws: Sequence[str], parameters: str | None,
    output: Path | None, as_json: bool, design: bool, noise: float | None, **choices: Any,
) -> None:  # fmt: skip
    """The run to train for a budget, from SOURCE (a table of finished runs, or a fit.json): by
    every law and approach, with intervals, waste and alarms."""
    from allometry.plan.question import plan as make_plan

    given = None if parameters is None else _parameters(parameters)
    others = [name for text in choices.pop("try_flops") for name in text.split(",") if name]
    counting, fitting = _counting(choices), _fitting(choices)
    columns, forms = mapped_columns(mapping) or None, _forms(laws)
    if design:
        compute = choices.pop("compute")
        _not_of_designs(choices, others, forms)
        _design(source, columns, forms and forms[0], given, noise, compute, counting, fitting,
                output, as_json)  # fmt: skip
        return
    if noise is not None:
        raise UsageError("--noise is for --design")
    asked = dict(
        parameters=given, counting=counting,
        try_counting=[replace(counting, flops=name) for name in others],
        machines=_machines(choices), fit=fitting, **choices,
    )  # fmt: skip
    _check_ending(output)
    planned = make_plan(source, columns, laws=forms, **asked)
    if output:
        from allometry.report.again import python_call

        python = python_call(source, columns, laws=_names(laws), **asked)
        write(output, lambda path: _save_plan(path, planned, python))
    if as_json:
        document = planned.to_document()
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.plan_screen import show_plan

        show_plan(planned)


def _machines(choices: dict[str, Any]) -> Any:
    """Remove the options about accelerators; return the machines they describe, or None."""
    from allometry.plan.beyond.beside import Machines
    from allometry.plan.beyond.money import Peak

    given = {name: choices.pop(name) for name in ("gpus", "peak", "peak_kind", "mfu", "price")}
    if all(value is None for value in given.values()):
        return None
    if missing := [f"--{n.replace('_', '-')}" for n in ("peak", "peak_kind", "mfu")
                   if given[n] is None]:  # fmt: skip
        raise UsageError(f"the hours of training need {', '.join(missing)} as well")
    peak = Peak(given["peak"], given["peak_kind"])
    return Machines(peak, given["mfu"], given["gpus"] or 1, given["price"])


def _counting(choices: dict[str, Any]) -> Any:
    """Remove the options about counting; return how FLOP are counted."""
    from allometry.plan.frontier.conventions import Counting

    shape = {name: choices.pop(name) for name in ("vocabulary", "sequence", "aspect_ratio")}
    return Counting(choices.pop("flops"), **shape)


def _fitting(choices: dict[str, Any]) -> FitOptions:
    """Remove the options of fits and return them."""
    return FitOptions(
        where=choices.pop("filters"),
        drop_largest=counts("--drop-largest", choices.pop("drop_largest")),
        **{name: choices.pop(name) for name in OF_FITS},
    )


def _parameters(text: str) -> dict[str, float]:
    """Parameter to value; a repeated name is refused."""
    words = text.split(",")
    given = numbers("--parameters", words)
    if len(given) < len(words):
        names = [word.partition("=")[0] for word in words]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--parameters gives {twice} twice")
    return given


def _forms(laws: Sequence[str]) -> list[Any] | None:
    """The laws of a repeatable option with comma-separated names; None without any."""
    from allometry.fitting.files import law_of

    names = _names(laws)
    if laws and not names:
        raise UsageError("--law expects the name of a law")
    return [law_of(name) for name in names] or None


def _names(laws: Sequence[str]) -> list[str]:
    """Names of laws, or paths of files that define them."""
    return [law_name(name) for text in laws for name in text.split(",") if name]


def _not_of_designs(
    choices: dict[str, Any], others: Sequence[str], forms: Sequence[Any] | None
) -> None:
    """Refuse options that have no effect on a design."""
    if len(forms or ()) > 1:
        raise UsageError("--design takes one law")
    given = [name for name, value in choices.items() if value and name != "repeat"]
    for name in [*given, *(["try_flops"] if others else [])]:
        raise UsageError(f"--{name.replace('_', '-')} is for a plan, not for --design")


def _design(
    source: Path | None, columns: dict[str, str] | None, law: Any,
    parameters: dict[str, float] | None, noise: float | None, compute: float | None,
    counting: Any, fitting: FitOptions, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Print, or write, how precisely runs determine the law."""
    from allometry.plan.questions import design as of_runs

    if source is None:
        raise UsageError("--design needs a table of runs, trained or not: name it")
    targets = [] if compute is None else [f"ln_n_opt@{compute!r}", f"waste@{compute!r}"]
    identified = of_runs(
        source, columns, targets=targets, law=law, parameters=parameters, noise=noise,
        counting=counting, fit=None if parameters else fitting,
    )  # fmt: skip
    document = identified.to_document()
    if output:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        write(output, lambda path: _save(path, text))
    if as_json:
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.plan_screen import show_design

        show_design(identified)


@click.command(
    "next",
    short_help="The most informative runs to make next.",
    epilog=f"{AS_OF_FIT}\n\n{example('next fit.json --budget 1e21 --target waste@1e24')}",
    params=[
        *SOURCE,
        click.Option(["--budget"], type=float, required=True, metavar="FLOP",
                     help="Compute of all new runs together."),
        click.Option(["--target"], required=True,
                     help="What to determine: ln_n_opt@C, waste@C, loss@N,D or law."),
        click.Option(["--candidates"], type=FILE_OR_FOLDER, metavar="TABLE",
                     help="Runs to choose from; its columns are those of SOURCE. Default: a grid."),
        click.Option(["--max-run"], type=float, metavar="FLOP", help="Largest compute of one run."),
        click.Option(["--at-most"], type=click.IntRange(1), help="Largest number of new runs."),
        *COUNTING[:4],
        *of_fit("filters"),
        *FIT_OPTIONS,
        *of_fit("output", "as_json"),
    ],
)  # fmt: skip
def next_(
    source: Path | None, mapping: Sequence[str], laws: Sequence[str], output: Path | None,
    as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """The runs to make next: those that tell most about a target for a budget, given SOURCE (a
    table of finished runs, or a fit.json)."""
    from allometry.plan.questions import next_runs

    if source is None:
        raise UsageError("next needs a table of finished runs, or a fit.json: name it")
    counting, fitting = _counting(choices), _fitting(choices)
    design = next_runs(
        source, mapped_columns(mapping) or None, laws=_forms(laws),
        counting=counting, fit=fitting, **choices,
    )  # fmt: skip
    if output:
        text = design.to_json(indent=1) + "\n"
        write(output, lambda path: _save(path, text))
    if as_json:
        document = design.to_document()
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.plan_screen import show_next

        show_next(design)


def _check_ending(output: Path | None) -> None:
    """Refuse a file name that is neither that of a document nor of a page."""
    if output is not None and output.suffix.lower() not in ("", ".json", *PAGES):
        raise UsageError(
            f"a plan is written as .json or .html, got {output.name!r}; for a PDF, print the page "
            "from a browser"
        )


def _save_plan(path: Path, planned: "Plan", python: str) -> None:
    """Write a page if the file name ends as that of a page, else the plan document."""
    if path.suffix.lower() not in PAGES:
        _save(path, planned.to_json(indent=1) + "\n")
        return
    from allometry.report.plan_page import write_plan_page

    write_plan_page(planned, path, command=command_line(click.get_current_context()), python=python)


def _save(path: Path, text: str) -> None:
    from allometry.files.durable import written

    with written(path) as part:
        part.write_text(text, encoding="utf-8")
