"""Accuracy in two steps: the chain of chinchilla and sigmoid, and the law that is both."""

import numpy as np
import pytest

from allometry import laws
from allometry.fitting.fit import fit
from allometry.tables.table import Table

FIRST = {"E": 0.6, "A": 300.0, "B": 900.0, "alpha": 0.3, "beta": 0.3}
SECOND = {"a": 0.75, "k": -3.0, "L0": 1.7, "b": 0.25}
N = np.geomspace(1e7, 1e10, 8).repeat(6)
D = np.tile(np.geomspace(1e9, 1e12, 6), 8)
SIZES = {"N": N, "D": D}


def runs(noise=0.0):
    rng = np.random.default_rng(1)
    loss = laws.chinchilla.evaluate(FIRST, SIZES)[0] * np.exp(noise * rng.normal(size=48))
    accuracy = laws.downstream.evaluate({**FIRST, **SECOND}, SIZES)[0]
    return Table({**SIZES, "loss": loss, "accuracy": accuracy + noise * rng.normal(size=48)})


def steps(table, **options):
    columns = {"N": "N", "D": "D"}
    first = fit(table, "chinchilla", {**columns, "L": "loss"}, objective="squared", **options)
    second = fit(table, "downstream", {**columns, "y": "accuracy"}, objective="squared",
                 fixed=first.values, **options)  # fmt: skip
    return first, second


def test_it_is_the_sigmoid_of_chinchilla():
    loss = laws.chinchilla.evaluate(FIRST, SIZES)[0]
    levels = {"lo": SECOND["b"], "hi": SECOND["a"] + SECOND["b"], "k": -3.0, "z0": SECOND["L0"]}
    chained = laws.sigmoid.evaluate(levels, {"x": loss})
    both = laws.downstream.evaluate({**FIRST, **SECOND}, SIZES)
    assert both == pytest.approx(chained, rel=1e-12)


def test_both_steps_are_recovered():
    first, second = steps(runs(), resamples=0)
    assert first.values == pytest.approx(FIRST, rel=1e-5)
    assert second.values == pytest.approx({**first.values, **SECOND}, rel=1e-4)


def test_a_larger_run_is_predicted_from_noisy_ones():
    _, second = steps(runs(0.005), resamples=200)
    assert second.interval.converged > 0.99
    at = {"N": [1e11], "D": [1e13]}
    truth = laws.downstream.evaluate({**FIRST, **SECOND}, at)[0][0]
    assert second.predict(at)[0] == pytest.approx(truth, abs=0.01)


def test_accuracy_alone_gives_the_same_curve_in_its_own_unit():
    """L in units of 1/k from its floor: A, B and L0 - E are multiplied by 3."""
    alone = fit(runs(), "downstream", {"N": "N", "D": "D", "y": "accuracy"}, objective="squared",
                resamples=0)  # fmt: skip
    assert alone.values["E"] == 0.0 and alone.values["k"] == -1.0
    assert alone.values["A"] == pytest.approx(3 * FIRST["A"], rel=1e-3)
    assert alone.values["L0"] == pytest.approx(3 * (SECOND["L0"] - FIRST["E"]), rel=1e-3)
