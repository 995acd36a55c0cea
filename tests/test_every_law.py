"""What every law must do: one test each, run over all laws found in the package's files.

A law needs no entry here: what it is tested on then comes from its own start ranges.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

from allometry import laws
from allometry.fitting import objectives
from allometry.fitting.fit import fit
from allometry.fitting.problem import surface
from allometry.fitting.search import start_points
from allometry.laws import Law, Parameter, Term
from allometry.tables.table import Table


def laws_in_files():
    """Every law that a file of the package defines, by name."""
    found = []
    for path in sorted(Path(laws.__file__).parent.glob("*.py")):
        if path.stem not in ("__init__", "law"):
            module = importlib.import_module(f"allometry.laws.{path.stem}")
            defined = getattr(module, "LAWS", None) or (module.LAW,)
            found += defined
    return {law.name: law for law in found}


LAWS = laws_in_files()
RNG = np.random.default_rng(7)

N = np.geomspace(1e3, 1e6, 24)
SIZES = {
    "x": N,
    "N": N,
    "D": RNG.permutation(np.geomspace(1e5, 1e9, 24)),
    "step": np.arange(1, 25.0) * 50,
    "lr": 1e-3 * np.cos(np.linspace(0, 1.4, 24)),
}
SIZES["U"] = SIZES["D"] / RNG.choice([1.0, 2.0, 10.0], 24)
SIZES["L"] = np.tile(np.arange(2.0, 10.0), 3)
SIZES["M"] = np.repeat([10.0, 100.0, 1000.0], 8)
SIZES |= {"G": np.tile([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], 4), "S": np.tile([0.0, 0.5, 0.9, 0.98], 6)}
SIZES |= {"N_nv": N, "N_v": RNG.permutation(N), "H": SIZES["D"]}
SIZES |= {bits: RNG.choice([3.0, 4.0, 6.0, 8.0, 12.0], 24) for bits in ("P_w", "P_a", "P_kv")}
OTHER = np.geomspace(1.0, 1e3, 24)[RNG.permutation(24)]  # of a symbol not named above
# Parameters in the range of papers, identified by the sizes above.
TRUTHS = {
    "power": dict(A=30, alpha=0.3),
    "power_floor": dict(E=0.8, A=30, alpha=0.4),
    "m3": dict(A=20, gamma=1e-5, alpha=0.3),
    "m4": dict(E=0.5, y0=4.0, A=2000.0, alpha=0.8, g=0.7),
    "log": dict(a=5.0, b=0.3),
    "exponential": dict(E=0.5, A=2.0, s=1e5),
    "power_offset": dict(E=-0.7, A=30.0, alpha=0.25),
    "power_ceiling": dict(C=0.93, A=12.0, alpha=0.4),
    "exponential_ceiling": dict(C=0.9, A=0.6, s=1e5),
    "sigmoid": dict(lo=0.9, hi=0.2, k=1.2e-5, z0=2e5),
    "bnsl1": dict(a=0.5, b=8.0, c0=0.05, c1=0.7, d1=3e4, f1=0.2),
    "bnsl2": dict(a=0.3, b=8.0, c0=0.05, c1=0.6, d1=8e3, f1=0.15, c2=-0.4, d2=2e5, f2=0.15),
    "bnsl3": dict(
        a=0.3,
        b=8.0,
        c0=0.05,
        c1=0.6,
        d1=6e3,
        f1=0.1,
        c2=-0.5,
        d2=3e4,
        f2=0.1,
        c3=0.8,
        d3=2e5,
        f3=0.1,
    ),
    "chinchilla": dict(E=1.7, A=40, B=300, alpha=0.34, beta=0.28),
    "chinchilla_tied": dict(E=1.7, A=40, B=300, alpha=0.31),
    "skaling": dict(E=1.7, A=40, B=300, alpha=0.5, beta=0.4, k=0.7),
    "farseer": dict(s=-0.4, q=0.1, S=1.5, B=10.0, b=-0.2, Q=1.0, A=-0.5, a=0.1, E=0.3),
    "kaplan": dict(N_c=8e7, D_c=5e8, alpha_N=0.2, alpha_D=0.3),
    "overtraining": dict(E=1.5, alpha=40, beta=100, eta=-0.28),
    "data_constrained": dict(laws.named("data_constrained").fixed, R_N=5.0, R_D=15.0),
    "lr_batch": dict(c=2.0, a=-0.7, b=0.3),
    "quanta": dict(a=0.02, b=1.0, alpha=0.4, C=3e3, tau_D=1e5, tau_S=5.0, K=1e9),
    "power_product": dict(A=0.3, alpha_L=1.17, alpha_D=0.05, alpha_N=0.9, alpha_M=1.0),
    "moe_krajewski": dict(c=1.4, a=18.0, g=20.0, b=300.0, gamma=0.6, alpha=0.3, beta=0.4),
    "precision": dict(
        E=1.7, A=40, B=300, alpha=0.34, beta=0.28, gamma_w=2.7, gamma_a=2.2, gamma_kv=1.0
    ),
    "sparsity": {
        "a": 300.0,
        "alpha": 0.6,
        "b": 300.0,
        "beta": 0.35,
        "c": 0.5,
        "lambda": -0.2,
        "d": 15.0,
        "delta": 0.2,
        "gamma": 0.25,
        "e": 0.9,
    },
    "vocabulary": dict(E=-0.8, A1=40, alpha1=0.35, A2=60, alpha2=0.5, B=300, beta=0.3),
    "downstream": dict(E=0.0, A=60.0, B=30.0, alpha=0.3, beta=0.2, a=0.7, k=-1.0, L0=4.0, b=0.25),
    "multi_power": dict(L0=2.5, A=0.6, alpha=0.45, B=300, C=2.0, beta=0.6, gamma=0.6),
}
# Recovered from some starts only: sums of breaks, and sums over a schedule.
HARD = {"bnsl2", "bnsl3", "multi_power"}


def sizes_of(law):
    return {s: SIZES.get(s, OTHER) for s in law.sizes}


def truth_of(law):
    """The parameters a law is tested at; without an entry, the middle of its start ranges."""
    if law.name in TRUTHS:
        return TRUTHS[law.name]
    sizes = sizes_of(law)
    problem = surface(law, objectives.named("squared"), sizes, np.ones(24), law.fixed)
    if law.starts is not None:
        middle = np.full((1, len(law.parameters)), 0.5)
        u = problem.to_u_all(law.starts(middle, problem.sizes, problem.y))
    else:
        ends = np.array([p.start for p in problem.free]).T
        u = problem.to_u(ends).mean(0)[None]
    return {name: float(values[0]) for name, values in problem.raw(u).items()}


def values_of(law):
    sizes = sizes_of(law)
    return sizes, law.evaluate(truth_of(law), sizes)[0]


def test_every_entry_is_of_a_law():
    assert set(TRUTHS) <= set(LAWS) and set(HARD) <= set(LAWS)


@pytest.mark.parametrize("name", sorted(set(LAWS) - HARD))
def test_a_law_without_an_entry_has_a_truth_to_be_tested_at(name, monkeypatch):
    monkeypatch.delitem(TRUTHS, name, raising=False)
    _, y = values_of(LAWS[name])
    assert np.isfinite(y).all()


def test_a_new_law_needs_no_entry():
    new = Law(
        name="new",
        formula="q = E + A z^-alpha",
        source="nobody",
        sizes=("z",),
        response="q",
        parameters=(
            Parameter("E", "floor", positive=True, start=(0.05, 1.0)),
            Parameter("A", "scale", positive=True, start=(0.05, 2.0)),
            Parameter("alpha", "exponent", start=(0.02, 2.0)),
        ),
        terms=(Term("E"), Term("A", (("z", "alpha"),))),
    )
    recovered(new)


@pytest.mark.parametrize("name", LAWS)
def test_it_is_documented(name):
    law = LAWS[name]
    assert laws.named(name) == law and law.formula and law.source and law.valid
    assert all(p.meaning and p.bounds[0] < p.bounds[1] for p in law.parameters)
    assert all(s in law.formula for s in law.names)


@pytest.mark.parametrize("name", LAWS)
def test_the_meaning_of_every_derived_quantity_is_given_in_words(name):
    law = LAWS[name]
    derived = law.derived({p: np.array([v]) for p, v in truth_of(law).items()})
    assert derived.keys() == law.meanings.keys()
    assert all(len(meaning.split()) > 3 for meaning in law.meanings.values())


@pytest.mark.parametrize("name", LAWS)
def test_raw_parameters_predict_what_centred_ones_do(name):
    law = LAWS[name]
    sizes, y = values_of(law)
    problem = surface(law, objectives.named("squared"), sizes, y, law.fixed)
    u = start_points(problem, 5, 0)
    centred = law.evaluate(problem.values(u), problem.sizes) * problem.centre[law.response]
    raw = law.evaluate(problem.raw(u), sizes)
    assert np.isfinite(raw).all()
    np.testing.assert_allclose(raw, centred, rtol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_its_derivatives_are_those_of_its_value(name):
    law = LAWS[name]
    sizes, y = values_of(law)
    problem = surface(law, objectives.named("squared"), sizes, y, law.fixed).with_curvature()
    u = start_points(problem, 5, 1)
    ones, delta = np.ones(len(y)), np.full((5, 1), problem.final_delta)
    _, slope, bend = problem.evaluate(u, ones, delta)
    for j in range(u.shape[1]):
        step = 1e-5 * np.maximum(1.0, np.abs(u[:, j]))
        nudge = np.zeros_like(u)
        nudge[:, j] = step
        (ahead, above, _), (behind, below, _) = (
            problem.evaluate(u + side * nudge, ones, delta) for side in (1, -1)
        )
        by_value, by_slope = (ahead - behind) / (2 * step), (above - below) / (2 * step)[:, None]
        size, size2 = np.abs(slope).max(), np.abs(bend).max()
        np.testing.assert_allclose(slope[:, j], by_value, rtol=2e-5, atol=2e-6 * size)
        np.testing.assert_allclose(bend[:, j], by_slope, rtol=1e-3, atol=1e-4 * size2)


@pytest.mark.parametrize("objective", ["huber_log", "squared_log", "absolute_log"])
@pytest.mark.parametrize("name", LAWS)
@np.errstate(invalid="ignore")  # as in the solver: the log of a law's value below zero is NaN
def test_the_gradient_is_that_of_the_objective(name, objective):
    law = LAWS[name]
    sizes, y = values_of(law)
    problem = surface(law, objectives.named(objective), sizes, y, law.fixed)
    u = np.clip(start_points(problem, 4, 2) + 0.02, problem.low, problem.high)
    weights, delta = np.linspace(0.5, 2, len(y)), np.full((len(u), 1), 0.3)
    value, gradient, _ = problem.evaluate(u, weights, delta)
    good = np.isfinite(value)
    assert good.any()
    for j in range(u.shape[1]):
        nudge = np.zeros(u.shape[1])
        nudge[j] = 1e-5
        ahead, behind = (problem.evaluate(u + s * nudge, weights, delta)[0] for s in (1, -1))
        np.testing.assert_allclose(
            gradient[good, j],
            ((ahead - behind) / 2e-5)[good],
            rtol=1e-3,
            atol=1e-5 * np.abs(gradient[good]).max(),
        )


def recovered(law):
    """Fit a law to its own noiseless values, and find the parameters again."""
    sizes, y = values_of(law)
    table = Table({**sizes, law.response: y})
    found = fit(table, law, {s: s for s in (*law.sizes, law.response)}, resamples=0)
    np.testing.assert_allclose(found.predict(sizes), y, rtol=1e-4)
    assert found.values == pytest.approx(truth_of(law), rel=5e-2)


@pytest.mark.parametrize("name", sorted(set(LAWS) - HARD))
def test_it_is_recovered_from_its_own_noiseless_values(name):
    recovered(LAWS[name])
