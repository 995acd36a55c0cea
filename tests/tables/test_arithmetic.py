"""Columns computed from others: right as Python is, and nothing but arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import allometry as al
from allometry.errors import DataError, UsageError
from allometry.tables.arithmetic import columns_needed, with_computed
from allometry.tables.conditions import condition
from allometry.tables.read import as_table
from allometry.tables.table import Table

COLUMNS = {"a": [1.5, 2.0, 7.0], "b": [3, 0, -4], "steps": [10.0, 1e3, 1e6]}


def computed(text, columns=COLUMNS):
    return with_computed(Table(columns), [text])[text]


def expressions():
    """Texts of the grammar, as a person may write them."""
    leaves = st.sampled_from(["a", "b", "steps", "2", "0.5", "1e-3", "1024"])

    def larger(inner):
        return st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " ** "]), inner).map("".join),
            inner.map("({})".format),
            inner.map("-{}".format),
            st.tuples(st.sampled_from(["log", "exp", "sqrt"]), inner).map(
                lambda pair: f"{pair[0]}({pair[1]})"
            ),
        )

    return st.recursive(leaves, larger, max_leaves=8)


def by_python(text, row):
    """What Python makes of the text for one row; NaN where it has no real value."""
    # A whole number beyond floats has no NumPy logarithm: that is an OverflowError as elsewhere.
    functions = {f.__name__: lambda v, f=f: f(np.float64(v)) for f in (np.log, np.exp, np.sqrt)}
    names = {name: np.float64(values[row]) for name, values in COLUMNS.items()}
    tree = compile(text, "text", "eval")
    with np.errstate(all="ignore"):
        return eval(tree, {"__builtins__": {}}, {**functions, **names})


@settings(max_examples=300, deadline=None)
@given(expressions())
@example("(log(b) ** 0.5)")
def test_the_values_are_those_of_python(text):
    table = with_computed(Table(COLUMNS), [f"0*a+({text})"])
    values = table[f"0*a+({text})"]
    for row in range(3):
        try:
            expected = by_python(f"0*a+({text})", row)
        except (OverflowError, ZeroDivisionError):  # of numbers alone: Python raises
            continue
        if isinstance(expected, complex | np.complexfloating):
            continue
        assert values[row] == pytest.approx(float(expected), rel=1e-12, nan_ok=True), text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os').system('x')-1", "is not a column"),
        ("a.real+1", "'a.real' is not understood"),
        ("a[0]+1", r"'a\[0\]' is not understood"),
        ("max(a, b)", r"'max\(a, b\)' is not understood"),
        ("log(a, b)", r"'log\(a, b\)' is not understood"),
        ("(lambda: 1)()", "is not understood"),
        ("[a for a in b]*2", "is not understood"),
        ("a if b else 1*2", "is not understood"),
        ("a<b-1", "is not understood"),
        ("a//b", "is not understood"),
        ("a%b", "is not understood"),
        ("a^2", r"write \*\* for a power"),
        ("-True*a", "'True' is not understood"),
        ("2j*a", "'2j' is not understood"),
        ("a*", "write numbers, columns"),
        ("1-acuracy", "'acuracy' is not a column"),
        ("(1+2)*3", "it names no column"),
        ("a*" + "1" * 400, "a number is larger than 1e308"),
        ("a+" * 400 + "a", "characters, 500 at most"),
        ("(" * 240 + "a" + ")" * 240, "write numbers, columns"),
        ("-" * 490 + "a", ""),
    ],
)
def test_anything_else_is_refused_with_a_reason(text, reason):
    if reason:
        with pytest.raises(UsageError, match=reason):
            computed(text, {**COLUMNS, "accuracy": [1, 2, 3]})
    else:
        assert np.isfinite(computed(text)).all()


def test_a_misspelt_column_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="'step' is not a column; did you mean 'steps'"):
        computed("step*1024")


def test_a_name_that_is_no_word_is_shown_in_quotes():
    """The columns of a spreadsheet: `Params (M)`."""
    table = Table({"Params (M)": [1.0, 2.0]})
    with pytest.raises(UsageError, match=r"in quotes: 'Params \(M\)'\*1e6") as refused:
        with_computed(table, ["Params (M)*1e6"])
    text = str(refused.value).rpartition("in quotes: ")[2]
    assert with_computed(table, [text])[text].tolist() == [1e6, 2e6]


def test_conditions_are_of_computed_columns_too():
    table = Table({"n": [1.0, 2.0, np.nan], "d": [10.0, 20.0, 30.0]})
    assert condition(table, "n*d<=10").tolist() == [True, False, False]
    assert condition(table, "d/10 != 2").tolist() == [True, False, True]
    with pytest.raises(UsageError, match="'m' is not a column"):
        condition(table, "m*d<=10")


def test_a_text_that_is_a_column_is_that_column():
    columns = {"accuracy": [0.5, 0.75], "1-accuracy": [7.0, 8.0], "val/acc": [0.1, 0.2]}
    table = with_computed(Table(columns), ["1-accuracy", "val/acc", "1-'val/acc'"])
    assert table["1-accuracy"].tolist() == [7, 8] and table["val/acc"].tolist() == [0.1, 0.2]
    assert table["1-'val/acc'"] == pytest.approx([0.9, 0.8])


def test_a_missing_cell_makes_a_missing_result():
    values = computed("1-acc*n", {"acc": [0.5, None, 0.25], "n": [1, 2, 4]})
    assert values[0] == 0.5 and math.isnan(values[1]) and values[2] == 0
    objects = np.array([1, None, 3.0], dtype=object)
    assert np.isnan(computed("x*2", {"x": objects})[1])


def test_text_in_a_column_is_refused_by_row():
    with pytest.raises(DataError, match=r"row 2, column 'x' \(in 'x\*2'\): a number was expected"):
        computed("x*2", {"x": [1, "two"]})


def test_the_columns_needed_are_those_there_are():
    names = ["steps", "batch", "log", "train-loss", "train", "loss"]
    assert columns_needed(["steps*batch*1024", "log(loss)"], names) == {"steps", "batch", "loss"}
    assert columns_needed(["train-loss"], names) == {"train-loss"}
    assert columns_needed(["steps*", "typo"], names) == set()


def test_units_and_decimal_commas_are_read_in_columns_computed_with(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("name;params;tokens;loss\n7B;1,5B;20B;2,5\n13B;3,0B;40B;2,25\n")
    table = as_table(path, ["6*params*tokens", "1/loss"])
    assert table["6*params*tokens"] == pytest.approx([1.8e20, 7.2e20])
    assert table["1/loss"] == pytest.approx([0.4, 4 / 9])
    assert table["name"].tolist() == ["7B", "13B"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_fit_of_computed_columns_is_the_fit_of_the_columns_made_by_hand(tmp_path, ending):
    size = np.geomspace(100, 1e5, 9)
    accuracy = 1 - 1.78 * size**-0.429
    by_hand = al.fit({"x": size * 32, "y": 1 - accuracy}, "power", x="x", y="y", resamples=0)
    path = tmp_path / f"runs.{ending}"
    rows = zip(size.tolist(), accuracy.tolist(), strict=True)
    if ending == "csv":
        path.write_text("n,acc\n" + "".join(f"{n!r},{a!r}\n" for n, a in rows))
    else:
        path.write_text("".join(f'{{"n": {n!r}, "acc": {a!r}}}\n' for n, a in rows))
    made = al.fit(path, "power", x="n*32", y="1-acc", resamples=0)
    assert made.values == pytest.approx(by_hand.values, rel=1e-9)
    assert made.values["alpha"] == pytest.approx(0.429, rel=1e-6)
    (comparison,) = al.compare(path, {"x": "n*32", "y": "1-acc"}, ["power", "power_floor"])
    assert comparison.chosen in ("power", "power_floor")


def test_c_is_computed_and_stands_in_for_d():
    rng = np.random.default_rng(2)
    n, d = 10 ** rng.uniform(7, 9, 30), 10 ** rng.uniform(9, 11, 30)
    loss = 1.7 + 400 * n**-0.34 + 1500 * d**-0.37
    columns = {"N": "n", "C": "6*n*tokens", "L": "loss"}
    runs = {"n": n, "tokens": d, "loss": loss}
    made = al.fit(runs, "chinchilla", columns, resamples=0)
    assert made.values["beta"] == pytest.approx(0.37, rel=1e-4)
