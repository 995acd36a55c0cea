"""Commands that decide: the run to train, and the runs to make next."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allometry.cli.again import command_line, python_call
from allometry.cli.laws import fit
from allometry.cli.options import (
    FILE_OR_FOLDER,
    counts,
    law_name,
    mapped_columns,
    numbers,
)
from allometry.cli.output import print_json, write
from allometry.fitting.options import FitOptions

if TYPE_CHECKING:
    from allometry.plan.document import Plan

__all__ = ["plan"]

FLOPS = ("6nd_total", "6nd_body", "6nd_body_plus_head", "with_attention", "deepseek", "measured")
ACCOUNTS = ("lifetime", "equal-quality")
REPEATS = ("law", "never")


def of_fit(*names: str) -> list[click.Parameter]:
    """Options of `allometry fit`, the very same."""
    parameters = {p.name: p for p in fit.params}
    return [parameters[name] for name in names]


SOURCE = [
    click.Argument(["source"], type=FILE_OR_FOLDER, required=False),
    click.Option(
        ["--map", "mapping"], multiple=True, metavar="SYMBOL=COLUMN",
        help="A column for N, L, and D or C or both: N=params, D=tokens, L=loss.",
    ),
    click.Option(
        ["--law", "--laws", "laws"], multiple=True, metavar="LAW,LAW,...",
        help="Laws of N and D to fit; the first is shown first. Default: chinchilla.",
    ),
]  # fmt: skip
BUDGET = [
    click.Option(["--compute"], type=float, metavar="FLOP", help="To spend on training."),
    click.Option(["--target-loss"], type=float, help="To reach with the least compute."),
    click.Option(
        ["--size"], type=float, metavar="N",
        help="Parameters that are fixed: with --compute its tokens; alone the tokens for which "
        "this size is the best.",
    ),
    click.Option(["--tokens-per-parameter"], type=float, metavar="K", help="D/N that is fixed."),
    click.Option(["--unique-data"], type=float, metavar="TOKENS", help="Tokens there are."),
    click.Option(
        ["--repeat"], type=click.Choice(REPEATS), default="law", show_default=True,
        help="Where these are too few: repeat them, by the law of Muennighoff et al., or never.",
    ),
    click.Option(
        ["--inference-tokens"], type=float, metavar="TOKENS", help="That the model will serve.",
    ),
    click.Option(
        ["--account"], type=click.Choice(ACCOUNTS),
        help="lifetime: --compute pays for training and inference; equal-quality: the loss of the "
        "best run for training alone, at the least FLOP in all.",
    ),
]  # fmt: skip
COUNTING = [
    click.Option(
        ["--flops"], type=click.Choice(FLOPS), default="6nd_total", show_default=True,
        help="How C is counted, and what N counts; measured takes the column of C.",
    ),
    click.Option(["--vocabulary"], type=click.IntRange(1), help="Entries, for --flops."),
    click.Option(["--sequence"], type=click.IntRange(1), help="Tokens of one, for --flops."),
    click.Option(["--aspect-ratio"], type=float, help="Width for each layer, for --flops."),
    click.Option(
        ["--run"], metavar="COLUMN",
        help="The run that a row is a checkpoint of: approach 1 needs it.",
    ),
]  # fmt: skip


@click.command(
    params=[
        *SOURCE,
        click.Option(
            ["--parameters"], metavar="NAME=VALUE,...",
            help="Of the law, given: no table then, and no intervals.",
        ),
        *BUDGET,
        *COUNTING,
        *of_fit("filters", "drop_largest", "objective", "delta", "starts", "resamples",
                "interval", "level", "seed", "output", "as_json"),
    ]
)  # fmt: skip
def plan(
    source: Path | None, mapping: Sequence[str], laws: Sequence[str], parameters: str | None,
    output: Path | None, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """The run to train: from SOURCE (a table of finished runs, or a fit.json), a compute or
    another budget, by every law and approach, with intervals, waste and alarms."""
    from allometry.plan.question import Counting
    from allometry.plan.question import plan as make_plan

    names = [law_name(name) for text in laws for name in text.split(",") if name]
    count = {name: choices.pop(name) for name in ("vocabulary", "sequence", "aspect_ratio")}
    counting = Counting(choices.pop("flops"), **count)
    given = None if parameters is None else numbers("--parameters", parameters.split(","))
    fit_options = FitOptions(
        where=choices.pop("filters"),
        drop_largest=counts("--drop-largest", choices.pop("drop_largest")),
        **{name: choices.pop(name) for name in ("objective", "delta", "starts", "resamples",
                                                "interval", "level", "seed")},
    )  # fmt: skip
    made = make_plan(
        source, mapped_columns(mapping) or None, laws=_forms(names), parameters=given,
        counting=counting, fit=fit_options, **choices,
    )  # fmt: skip
    if output:
        python = python_call(
            source, mapped_columns(mapping), laws=names, parameters=given, counting=counting,
            fit=fit_options, **choices,
        )  # fmt: skip
        write(output, lambda path: _save(path, made, python))
    if as_json:
        document = made.to_document()
        print_json(str(document.pop("schema")).split("/")[1], **document)
    else:
        from allometry.cli.plan_screen import show_plan

        show_plan(made)


def _forms(names: Sequence[str]) -> list[Any]:
    from allometry.fitting.files import law_of

    return [law_of(name) for name in names or ["chinchilla"]]


def _save(path: Path, made: "Plan", python: str) -> None:
    """A page where the ending is that of one, else the plan document."""
    from allometry.files.durable import written

    if path.suffix.lower() in (".html", ".htm"):
        from allometry.report.plan_page import write_plan_page

        command = command_line(click.get_current_context())
        write_plan_page(made, path, command=command, python=python)
        return
    with written(path) as part:
        part.write_text(made.to_json(indent=1) + "\n", encoding="utf-8")
