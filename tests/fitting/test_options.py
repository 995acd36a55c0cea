"""One list of options, and two ways to say which column is which symbol."""

import inspect
from dataclasses import fields
from typing import get_type_hints

import click
import numpy as np
import pytest

from allometry import cli, laws
from allometry.errors import DataError, UsageError
from allometry.fitting.compare import compare
from allometry.fitting.files import CompareValues
from allometry.fitting.fit import fit
from allometry.fitting.objectives import OBJECTIVES
from allometry.fitting.options import OBJECTIVES as OBJECTIVE_NAMES
from allometry.fitting.options import FitOptions, OptionValues
from allometry.laws import Law, Parameter, Term
from allometry.tables.table import Table

X = np.geomspace(1, 1e3, 8)
TABLE = Table({"size": X, "loss": 3 * X**-0.4})
MAPPING = {"x": "size", "y": "loss"}


def defaults(function):
    """Keyword arguments and their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def test_fit_the_options_value_and_the_keyword_type_have_one_list():
    values = {f.name: getattr(FitOptions(), f.name) for f in fields(FitOptions)}
    assert defaults(fit) == values
    assert get_type_hints(OptionValues).keys() == values.keys()
    assert defaults(compare).keys() == get_type_hints(CompareValues).keys()
    shared = {
        n: v
        for n, v in defaults(compare).items()
        if n in values and n not in ("objective", "delta")
    }
    assert shared == {n: values[n] for n in shared}
    assert ("auto", *OBJECTIVES) == OBJECTIVE_NAMES


def test_the_commands_have_the_defaults_of_the_functions():
    context = click.Context(cli.laws.fit)
    for command, function in ((cli.laws.fit, fit), (cli.laws.compare, compare)):
        for option in command.params:
            default = defaults(function).get(option.name)
            if default is not None and not option.multiple and option.name != "hold_out":
                assert option.get_default(context) == default, option.name


def test_columns_by_keyword_are_columns_by_mapping():
    by_mapping = fit(TABLE, "power", MAPPING, resamples=50)
    for law in (laws.power, "power", "m1"):
        assert fit(TABLE, law, resamples=50, x="size", y="loss") == by_mapping
    assert by_mapping.law is laws.power and by_mapping.columns == MAPPING
    n = np.geomspace(1e6, 1e9, 20)
    d = n[np.random.default_rng(0).permutation(20)] * 50
    table = Table({"n": n, "c": 6 * n * d, "l": 1.7 + 400 * n**-0.34 + 400 * d**-0.28})
    assert fit(table, laws.chinchilla, N="n", C="c", L="l", resamples=0).rows == 20


def test_columns_given_twice_or_not_at_all_are_refused():
    with pytest.raises(
        UsageError, match=r"given as a mapping, so resample cannot be a keyword.*seed"
    ):
        fit(TABLE, "power", MAPPING, resample=100)
    with pytest.raises(UsageError, match="given as a mapping, so x"):
        fit(TABLE, "power", MAPPING, x="size")
    with pytest.raises(UsageError, match=r"fit\(table, law, x=COLUMN, y=COLUMN\)"):
        fit(TABLE, "power")


def test_an_unknown_symbol_and_a_missing_one_are_refused():
    with pytest.raises(UsageError, match="no symbol q, and fit has no such option"):
        fit(TABLE, "power", x="size", y="loss", q="size")
    with pytest.raises(UsageError, match="missing y"):
        fit(TABLE, "power", x="size")


def test_a_symbol_that_is_an_option_needs_the_mapping():
    law = Law(
        name="odd",
        formula="y = A seed^-alpha",
        source="me",
        sizes=("seed",),
        response="y",
        parameters=(Parameter("A", "scale", positive=True, start=(0.5, 2.0)),
                    Parameter("alpha", "exponent")),
        terms=(Term("A", (("seed", "alpha"),)),),
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"symbol 'seed', which is an argument of fit.*mapping"):
        fit(TABLE, law, seed="size", y="loss")
    made = fit(TABLE, law, {"seed": "size", "y": "loss"}, resamples=0)
    assert made.values == pytest.approx({"A": 3, "alpha": 0.4})


@pytest.mark.parametrize(
    "option",
    [{"objective": "cubed"}, {"delta": -1.0}, {"level": 1.5}, {"interval": "wide"}, {"starts": 0},
     {"resamples": -1}],
    ids=str,
)  # fmt: skip
def test_a_value_that_is_no_choice_is_refused(option):
    with pytest.raises(UsageError):
        fit(TABLE, "power", MAPPING, **option)


def test_a_fit_with_every_parameter_held_fixed_is_refused():
    with pytest.raises(UsageError, match="every parameter of law power is held fixed"):
        fit(TABLE, "power", MAPPING, fixed={"A": 3.0, "alpha": 0.4})


@pytest.mark.parametrize("objective", ["auto", "squared_log", "huber_log", "absolute_log"])
def test_a_coefficient_held_at_zero_gives_no_logarithm(objective):
    x = np.tile(X, 3)
    with pytest.raises(DataError, match="no finite"):
        fit(
            {"x": x, "y": 3 * x**-0.4}, "power", x="x", y="y", fixed={"A": 0.0}, objective=objective
        )


@pytest.mark.filterwarnings("error")
def test_a_bend_held_at_zero_warns_of_nothing():
    sizes = {"N": np.repeat(X, 8), "D": np.tile(X, 8)}
    made = fit(
        {**sizes, "L": (7 / sizes["N"]) ** 0.2},
        "kaplan",
        {s: s for s in "NDL"},
        fixed={"D_c": 0.0},
        resamples=10,
        starts=4,
    )
    assert made.quality.largest < 1


@pytest.mark.parametrize("value", [1e-300, 1e308])
@pytest.mark.parametrize("option", ["weights", "noise"])
def test_a_weight_beyond_any_is_refused_by_its_row(option, value):
    table = TABLE.with_columns(w=np.where(np.arange(8) == 2, value, 1.0))
    with pytest.raises(DataError, match="row 3, column 'w'"):
        fit(table, "power", MAPPING, **{option: "w"})
