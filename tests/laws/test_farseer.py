"""Farseer: coefficient and exponent of D are functions of N."""

import numpy as np
import pytest

from allometry import laws
from allometry.fitting import objectives
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.fitting.problem import surface
from allometry.fitting.search import start_points
from allometry.tables.table import Table

COLUMNS = {"N": "N", "D": "D", "L": "L"}
# The authors' values, as noted beside the law in the public code of Li et al. 2604.22753.
PUBLISHED = {
    "s": -0.062465473, "q": 0.13, "S": 0.1284880679442551,
    "B": 230.73437075885855, "b": -0.1729, "Q": -1.544209554,
    "A": -1.665630816, "a": 0.0458999999999619, "E": 3.133347198805445,
}  # fmt: skip
N = np.geomspace(2e8, 5e9, 12).repeat(10)
D = np.tile(np.geomspace(2e9, 3e11, 10), 12)
SIZES = {"N": N, "D": D}


def runs(noise, **changed):
    loss = laws.farseer.evaluate({**PUBLISHED, **changed}, SIZES)[0]
    return Table({**SIZES, "L": loss * np.exp(noise * np.random.default_rng(3).normal(size=120))})


def test_its_value_is_the_formula():
    p, n, d = PUBLISHED, 1e9, 1e11
    by_hand = np.exp(p["s"] * n ** p["q"] + p["S"]) + np.exp(p["B"] * n ** p["b"] + p["Q"]) * (
        d ** -np.exp(p["A"] * n ** p["a"] + p["E"])
    )
    assert laws.farseer.evaluate(p, {"N": [n], "D": [d]})[0] == pytest.approx([by_hand], rel=1e-13)


def test_where_its_functions_of_n_are_constant_d_follows_a_plain_power():
    flat = dict(s=0.0, q=1.0, S=np.log(0.4), B=0.0, b=1.0, Q=np.log(50), A=0.0, a=1.0, E=-1.2)
    power = 0.4 + 50 * D ** -np.exp(-1.2)
    assert laws.farseer.evaluate(flat, SIZES)[0] == pytest.approx(power, rel=1e-12)


def test_the_published_parameters_are_recovered_from_their_own_losses():
    made = fit(runs(0.0), "farseer", COLUMNS, objective="squared_log", resamples=0)
    assert made.status.code == "noise_free"
    assert made.values == pytest.approx(PUBLISHED, rel=1e-3)


def test_intervals_hold_the_truth_where_an_exponent_may_be_of_either_sign():
    made = fit(runs(0.001), "farseer", COLUMNS, objective="squared_log", resamples=400)
    assert made.certificate.polished and made.certificate.best_basin_share > 0.1
    assert made.interval.converged > 0.99
    for name in ("q", "b", "a"):
        assert made.parameters[name].low < PUBLISHED[name] < made.parameters[name].high
    a = made.parameters["a"]
    assert a.low < 0 < a.high
    assert made.parameters["A"].verdict == "wide"  # infinite where a is 0
    low, high = made.predict_interval({"N": [1e10], "D": [1e12]})
    assert low[0] < laws.farseer.evaluate(PUBLISHED, {"N": [1e10], "D": [1e12]})[0][0] < high[0]
    assert Fit.from_json(made.to_json()) == made


def test_the_search_goes_over_an_exponent_of_zero():
    """Starts on both sides of a = 0 end at one optimum, though A is infinite between them."""
    table = runs(0.0005, a=-0.05, A=4.0, E=-2.6)
    right = fit(table, "farseer", COLUMNS, objective="squared_log", resamples=0, starts=1,
                start={**PUBLISHED})  # fmt: skip
    default = fit(table, "farseer", COLUMNS, objective="squared_log", resamples=0)
    assert default.values["a"] < 0
    assert right.objective.value == pytest.approx(default.objective.value, rel=1e-6)


def test_coordinates_are_those_of_the_parameters():
    problem = surface(laws.farseer, objectives.named("squared"), SIZES, runs(0.0)["L"])
    u = start_points(problem, 6, 0)
    values = problem.values(u)
    back = problem.to_u_all(np.stack([values[name] for name in laws.farseer.names], 1))
    np.testing.assert_allclose(back, u, rtol=1e-9, atol=1e-9)
    by_parameters = laws.farseer.evaluate(values, problem.sizes)
    np.testing.assert_allclose(problem.predict(u)[0], by_parameters, rtol=1e-10)


def test_a_held_exponent_stays_and_the_others_are_found():
    table = runs(0.0005)
    held = fit(table, "farseer", COLUMNS, objective="squared_log", resamples=0,
               fixed={"a": PUBLISHED["a"]})  # fmt: skip
    free = fit(table, "farseer", COLUMNS, objective="squared_log", resamples=0)
    assert held.certificate.polished and held.values["a"] == PUBLISHED["a"]
    assert free.objective.value < held.objective.value < 1.1 * free.objective.value
