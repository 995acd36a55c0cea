"""Columns of whole numbers of 64 bits: as uint64, and as Python's where no type keeps them all."""

import numpy as np
import pytest

import allometry as al
from allometry.errors import UsageError
from allometry.figures import panels, runs_panel
from allometry.report.runs_table import counts_of_runs, runs_section
from allometry.tables.cells import holds_numbers
from allometry.tables.conditions import condition
from allometry.tables.table import Table

MOST = 2**64 - 1
COLUMNS = {
    "unsigned": [MOST, 2**63, 1, 2**60 + 1],
    "of both signs": [MOST, 2**63, -1, 2**60 + 1],
    "with gaps": [MOST, None, 1, 2**60 + 1],
    "with a float": [float("nan"), 2**60 + 1, 0.5, 2],
}


@pytest.fixture(params=COLUMNS)
def values(request):
    return COLUMNS[request.param]


def is_present(value):
    return value is not None and value == value


def test_they_are_numbers(values):
    assert holds_numbers(Table({"n": values})["n"])


@pytest.mark.parametrize("values", [["a", None], [None], [True, None], [True, False], [[1], [2]]])
def test_other_objects_are_none(values):
    column = np.empty(len(values), object)
    column[:] = values
    assert not holds_numbers(column)


def test_conditions_compare_them_exactly(values):
    table = Table({"n": values})
    met = condition(table, f"n>={2**60 + 1}").tolist()
    assert met == [is_present(value) and value >= 2**60 + 1 for value in values]
    assert condition(table, f"n=={2**60}").sum() == 0


def test_they_are_sorted_by_size_and_gaps_come_last(values):
    table = Table({"n": values, "place": range(4)}).sort("n")
    present = [value for value in table["n"].tolist() if is_present(value)]
    assert present == sorted(filter(is_present, values))
    assert not any(map(is_present, table["n"].tolist()[len(present) :]))


def test_what_has_no_order_is_refused():
    with pytest.raises(UsageError, match="column 'a' holds values that have no order"):
        Table({"a": ["x", 1]}).sort("a")


def test_a_page_shows_them_as_numbers(values):
    section = runs_section(Table({"n": values, "seed": [2**64 - 1, 1, 2, 3]}))
    assert section["numeric"] == {"n": True, "seed": True}
    keys = [row[0].key for row in section["rows"]]
    assert keys == ["" if value is None else repr(value) for value in values]
    table = Table({"seed": [MOST, -1, 2], "a": [1, 2, 3]})
    assert counts_of_runs(table, None)["seeds"] == [-1, 2, MOST]
    assert runs_section(table)["numeric"] == {"seed": True, "a": True}


def runs(sizes):
    """Losses that fall as a power of a size, and the size as a column."""
    x = np.array([np.nan if size is None else float(size) for size in sizes])
    return {"n": sizes, "loss": np.where(np.isnan(x), 1.0, 5 * x**-0.2)}


SIZES = {
    "unsigned": [10**k + 1 for k in range(12, 19)] + [MOST],
    "with gaps": [10**k + 1 for k in range(12, 19)] + [None, MOST],
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_laws_are_fitted_and_compared_over_them(sizes):
    table = Table(runs(sizes))
    assert table["n"].dtype.kind == ("O" if None in sizes else "u")
    fit = al.fit(table, "power", x="n", y="loss", resamples=0, where=["n>1000"])
    assert fit.values["alpha"] == pytest.approx(0.2, rel=1e-6)
    assert fit.rows == 8
    (one,) = al.compare(
        table, {"x": "n", "y": "loss"}, ["power", "log"], hold_out=1, backtest=False
    )
    assert one.chosen == "power"


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_they_are_drawn(sizes):
    table = Table(runs(sizes))
    _, axes = panels()
    runs_panel(table["n"], table["loss"], ax=np.ravel(axes)[0])
