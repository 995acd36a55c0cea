"""One rule for the row of a run, whatever made it."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.training.result import measured_columns, measured_row

N_PARAMS = {"n_params": 22}


def test_a_row_has_the_specs_columns_then_each_measure_and_its_control():
    measures = {"a": lambda net: {"x": net, "y": 2 * net}, "b": lambda net: {"z": -net}}
    row = measured_row(N_PARAMS, measures, 3, control=1)
    assert list(row.items()) == [
        ("n_params", 22), ("x", 3), ("y", 6), ("x_untrained", 1), ("y_untrained", 2),
        ("z", -3), ("z_untrained", -1),
    ]  # fmt: skip


def test_of_a_diverged_run_nothing_is_measured_but_the_control():
    row = measured_row({}, {"a": lambda net: {"x": 1 / net}}, 0, control=2, diverged=True)
    assert math.isnan(row["x"]) and row["x_untrained"] == 0.5


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        ({"a": {"x": 1}, "b": {"x": 2}}, "'b' gave column 'x', which measure 'a' gave too"),
        ({"b": {"n_params": 7}}, "'n_params', which every run of this study already has"),
        ({"b": {"seed": 7}}, "'b' gave column 'seed', which every table already has; rename it"),
        ({"b": {"status": "x"}}, "'b' gave column 'status', which every table already has"),
        ({"a": {"x": 1}, "b": {"x_untrained": 2}}, "'b' gave column 'x_untrained', which measure"),
        ({"b": {"x": 1, "x_untrained": 2}}, "'b' gave column 'x_untrained'"),
    ],
)
def test_columns_that_collide_are_refused_by_name(measures, words):
    functions = {name: lambda net, given=given: given for name, given in measures.items()}
    with pytest.raises(UsageError) as refused:
        measured_row(N_PARAMS, functions, None, control=0)
    assert words in str(refused.value)


@pytest.mark.parametrize("given", [None, 1.0, [("x", 1)], np.ones(2)])
def test_a_measure_that_gives_no_columns_is_named(given):
    with pytest.raises(UsageError, match="measure 'a': columns by name expected"):
        measured_row({}, {"a": lambda net: given}, None)


@pytest.mark.parametrize("value", [np.float32(0.5), np.array(0.5), np.array([0.5]), jnp.array(0.5)])
def test_an_array_of_one_element_is_a_number(value):
    cell = measured_row({}, {"a": lambda net: {"x": value}}, None)["x"]
    assert type(cell) is float and cell == 0.5


@pytest.mark.parametrize("value", [np.ones(2), [1, 2], {"a": 1}, 1j, object()])
def test_what_is_no_number_and_no_text_is_refused_by_name(value):
    with pytest.raises(UsageError, match="measure 'a' gave column 'x': a number or a string"):
        measured_row({}, {"a": lambda net: {"x": value}}, None)


def test_along_training_two_measures_of_one_column_are_refused_and_arrays_are_not():
    weights = {"w": lambda net: {"weights": np.ones(2)}}
    assert measured_columns(weights, None)["weights"].shape == (2,)
    with pytest.raises(UsageError, match="'v' gave column 'weights', which measure 'w' gave"):
        measured_columns({**weights, "v": weights["w"]}, None)
