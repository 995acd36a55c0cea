"""Skaling: Chinchilla's law with an exponent on the sum of both powers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from allometry import laws
from allometry.fitting.fit import fit
from allometry.plan.frontier.optimum import Frontier
from allometry.tables.table import Table

COLUMNS = {"N": "N", "D": "D", "L": "L"}
BESIROGLU = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
TRUTH = {"E": 1.5, "A": 3e3, "B": 5e4, "alpha": 0.5, "beta": 0.55, "k": 0.6}
N = np.geomspace(1e7, 1e10, 8).repeat(6)
D = np.tile(np.geomspace(1e9, 1e12, 6), 8)


def runs(law, values, noise, seed=0):
    loss = laws.named(law).evaluate(values, {"N": N, "D": D})[0]
    errors = np.random.default_rng(seed).normal(size=len(N))
    return Table({"N": N, "D": D, "L": loss * np.exp(noise * errors)})


def test_with_k_of_one_it_is_chinchilla():
    table = runs("chinchilla", BESIROGLU, 0.005)
    held = fit(table, "skaling", COLUMNS, objective="squared_log", resamples=0, fixed={"k": 1.0})
    plain = fit(table, "chinchilla", COLUMNS, objective="squared_log", resamples=0)
    assert {n: held.values[n] for n in plain.values} == pytest.approx(plain.values, rel=1e-5)
    assert held.objective.value == pytest.approx(plain.objective.value, rel=1e-9)


def test_the_interval_of_k_holds_the_truth_and_leaves_out_one():
    made = fit(runs("skaling", TRUTH, 0.002), "skaling", COLUMNS, objective="squared_log")
    k = made.parameters["k"]
    assert k.verdict == "identified" and k.low < TRUTH["k"] < k.high < 1
    assert made.interval.converged > 0.99


def test_on_runs_of_chinchilla_the_interval_of_k_holds_one():
    table = runs("chinchilla", BESIROGLU, 0.002)
    k = fit(table, "skaling", COLUMNS, objective="squared_log").parameters["k"]
    assert k.low < 1 < k.high


def test_the_optimum_is_the_one_scipy_finds():
    table = runs("skaling", TRUTH, 0.004)
    n, d = (np.log(size / np.exp(np.log(size).mean())) for size in (N, D))

    def residuals(u):
        total = np.logaddexp(u[1] - u[2] * n, u[3] - u[4] * d)
        return np.log(np.exp(u[0]) + np.exp(u[5] * total)) - np.log(table["L"])

    scipy = least_squares(residuals, [0.2, -1, 0.3, -1, 0.3, 1], xtol=1e-14, ftol=1e-14)
    made = fit(table, "skaling", COLUMNS, objective="squared_log", resamples=0)
    assert made.objective.value == pytest.approx(2 * scipy.cost, rel=1e-8)
    assert made.values["k"] == pytest.approx(scipy.x[5], rel=1e-4)


def test_the_closed_form_of_the_best_size_is_what_a_search_finds():
    values = {name: np.array([v]) for name, v in TRUTH.items()}
    closed = Frontier(laws.skaling, values).at(1e22)
    searched = Frontier(replace(laws.skaling, allocation=None), values).at(1e22)
    assert closed.n == pytest.approx(searched.n, rel=1e-4)
    assert closed.loss == pytest.approx(searched.loss, rel=1e-10)
