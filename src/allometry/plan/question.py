"""`plan` for users: it takes names and numbers in place of the types of this package."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from allometry import laws as known_laws
from allometry.errors import UsageError
from allometry.files.foreign import read_bytes
from allometry.fitting.document import Fit
from allometry.fitting.files import read_fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.laws import Law
from allometry.plan.believed import check_sizes
from allometry.plan.beyond.beside import Machines
from allometry.plan.beyond.inference import Account
from allometry.plan.budget import Budget
from allometry.plan.document import Plan
from allometry.plan.frontier.conventions import Counting
from allometry.plan.plan import PlanOptions, plan_of_fits, plan_of_table, plan_of_values
from allometry.tables.read import TableLike, as_table

__all__ = ["UNMAPPED", "check_fits", "fits_of", "forms_of", "plan"]

Source: TypeAlias = "TableLike | Fit | Sequence[Fit]"

UNMAPPED = (
    "state which columns of the table are N, D and L: --map N=params --map D=tokens --map L=loss, "
    "or {'N': 'params', 'D': 'tokens', 'L': 'loss'}"
)
LARGEST_DOCUMENT = 128_000_000  # bytes, as for a fit document


def plan(
    source: "Source | None" = None,
    columns: Mapping[str, str] | None = None,
    *,
    laws: str | Law | Sequence[str | Law] | None = None,
    parameters: Mapping[str, float] | None = None,
    compute: float | None = None,
    target_loss: float | None = None,
    size: float | None = None,
    tokens_per_parameter: float | None = None,
    unique_data: float | None = None,
    repeat: Literal["law", "never"] = "law",
    inference_tokens: float | None = None,
    account: Account | None = None,
    counting: Counting | str = "6nd_total",
    run: str | None = None,
    fit_where: Sequence[str] = (),
    other_n: str | None = None,
    try_counting: Sequence[Counting | str] = (),
    against: "Source | None" = None,
    machines: Machines | None = None,
    advise: bool = False,
    fit: FitOptions | None = None,
) -> Plan:
    """Plan the run to train, with intervals, by every law and approach::

        al.plan("runs.csv", {"N": "params", "D": "tokens", "L": "loss"}, compute=1e24)
        al.plan(fit, compute=1e24)
        al.plan(parameters={"E": 1.82, "A": 482, ...}, compute=1e24)

    Args:
        source: a table, one or several fits of laws of N and D, or the path of either; None
            if `parameters` are given.
        columns: of a table: N, L, and D or C or both -> column.
        laws: to fit to a table, or the one law of `parameters`; chinchilla by default.
        parameters: values of the law's parameters, in place of a table or a fit.
        compute: FLOP to spend. target_loss: loss to reach. size: fixed N.
        tokens_per_parameter: fixed D/N. See `Budget` for the allowed combinations.
        unique_data: number of unique tokens. repeat: whether they may be repeated: by the `law`
            of Muennighoff et al., or `never`.
        inference_tokens: number of tokens that the model will serve. account: `lifetime` (the
            compute pays for training and inference) or `equal-quality` (the loss of the best
            run for training alone, at the least total FLOP).
        counting: of FLOP and N: the name of a convention, or a `Counting` with the shape of the
            models.
        run: column that names the run of which a row is a checkpoint, for approach 1.
        fit_where: conditions of the rows to fit; the other rows are held out and scored.
        other_n: column of another count of N, with embeddings or without.
        try_counting: further conventions under which the plan is made, with N from `columns`
            and from `other_n`.
        against: another recipe for a comparison at equal loss: a table with the same columns, or
            a fit.
        machines: for hours and dollars. advise: whether to give published bands of batch size
            and learning rate.
        fit: options of the fits, such as resamples and level.

    Raises:
        UsageError: invalid names or numbers. DataError: rows that cannot be used.
    """
    budget = Budget(compute, target_loss, size, tokens_per_parameter, unique_data, _repeats(repeat))
    count = Counting.of(counting)
    choices = fit or FitOptions()
    if run is not None and choices.cluster is None:  # checkpoints of a run share its error
        choices = replace(choices, cluster=run)

    forms = forms_of("chinchilla" if laws is None else laws)
    options = PlanOptions(
        run=run, inference_tokens=inference_tokens, account=account, fit_where=fit_where,
        other_n=other_n, try_counting=tuple(map(Counting.of, try_counting)), machines=machines,
        advise=advise, fit=choices,
    )  # fmt: skip
    if parameters is not None:
        if source is not None or len(forms) != 1:
            raise UsageError(
                "parameters must be the values of one law, and replace a table or a fit"
            )
        _only_of_tables(options, against)
        _refuse_decided(choices, "parameters are given, so no law is fitted")
        if columns is not None:
            raise UsageError("parameters are given, so no table is read: leave the columns out")
        return plan_of_values(forms[0], parameters, budget, replace(options, cost=count.cost()))
    if source is None:
        raise UsageError("a plan needs a table, a fit, or the parameters of a law")
    fits = fits_of(source)
    if fits is not None:
        check_fits(fits, columns, laws, fit)
        _only_of_tables(options)
        other = None if against is None else _fit_of(against, fits[0].law, None, choices)
        return plan_of_fits(fits, budget, replace(options, cost=count.cost(), against=other))
    if columns is None:
        raise UsageError(UNMAPPED)
    table = as_table(source, _numbers(columns, options))
    other = None if against is None else _fit_of(against, forms[0], columns, choices)
    options = replace(options, cost=count.cost(table, columns), against=other)
    return plan_of_table(table, columns, forms, budget, options)


def _numbers(columns: Mapping[str, str], options: PlanOptions) -> set[str]:
    """The columns of a table that a plan reads as numbers."""
    also = [] if options.other_n is None else [options.other_n]
    return options.fit.numbers([*columns.values(), *also])


def check_fits(
    fits: Sequence[Fit],
    columns: Mapping[str, str] | None,
    laws: str | Law | Sequence[str | Law] | None,
    options: FitOptions | None,
) -> None:
    """Refuse arguments that conflict with how the fits were made.

    Raises:
        UsageError: the message names the argument.
    """
    if columns is not None:
        raise UsageError("a fit has its columns already: leave them out")
    names = [fit.law.name for fit in fits]
    if laws is not None and [law.name for law in forms_of(laws)] != names:
        raise UsageError(f"the fit is of law {', '.join(names)}: leave the laws out, or name them")
    _refuse_decided(
        options or FitOptions(),
        "this was decided when the law was fitted: fit it again, or plan from the table",
    )


def _refuse_decided(options: FitOptions, why: str) -> None:
    """Refuse options of a fit when no law is fitted.

    Raises:
        UsageError: the message names the first such option.
    """
    plain = FitOptions()
    for name in ("objective", "delta", "level", "resamples", "interval", "where", "drop_largest"):
        value = getattr(options, name) or None
        if value != (getattr(plain, name) or None):
            raise UsageError(f"{name.replace('_', ' ')} = {value} has no effect: {why}")


def _only_of_tables(options: PlanOptions, against: object = None) -> None:
    """Refuse options that need a table.

    Raises:
        UsageError: the message names the option.
    """
    for what, value in (
        ("holding rows out", options.fit_where), ("another column of N", options.other_n),
        ("a column of runs", options.run), ("another recipe", against),
        ("other conventions", options.try_counting),
    ):  # fmt: skip
        if value:
            raise UsageError(f"{what} needs a table of runs in place of a fit or parameters")


def _fit_of(
    source: "Source", law: Law, columns: Mapping[str, str] | None, choices: FitOptions
) -> Fit:
    """The fit of another recipe: a given fit, or the same law fitted to a table."""
    fits = fits_of(source)
    if fits is not None:
        check_sizes(fits[0].law)
        return fits[0]
    if columns is None:
        raise UsageError("the plan is made from a fit, so the other recipe must be a fit as well")
    symbols = {symbol: column for symbol, column in columns.items() if symbol != "C" or
               "D" not in columns}  # fmt: skip
    return fit_with(as_table(source, choices.numbers(columns.values())), law, symbols, choices)


def fits_of(source: "Source") -> list[Fit] | None:
    """The fits given as the source, or read from its document; None for a table."""
    if isinstance(source, str | Path):
        return [read_fit(source)] if _is_document(Path(source)) else None
    if isinstance(source, Fit):
        return [source]
    if isinstance(source, list | tuple) and source and all(isinstance(f, Fit) for f in source):
        return list(source)
    return None


def _is_document(path: Path) -> bool:
    """Whether a file is a JSON object, as fit documents are; tables are JSON arrays."""
    if path.suffix.lower() != ".json":
        return False
    return read_bytes(path, LARGEST_DOCUMENT).lstrip()[:1] == b"{"


def forms_of(laws: str | Law | Sequence[str | Law]) -> list[Law]:
    """The laws of these names.

    Raises:
        UsageError: no law, the same law twice, or an unknown name.
    """
    listed = [laws] if isinstance(laws, str | Law) else laws
    forms = [known_laws.named(law) if isinstance(law, str) else law for law in listed]
    names = [law.name for law in forms]
    if not forms or len(set(names)) < len(names):
        raise UsageError(f"name each law once, got {', '.join(names) or 'none'}")
    return forms


def _repeats(repeat: str) -> bool:
    if repeat not in ("law", "never"):
        raise UsageError(f"repeat must be law or never, got {repeat!r}")
    return repeat == "law"
