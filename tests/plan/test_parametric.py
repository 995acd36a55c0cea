"""Approach 3 and Kaplan's law: closed forms against a search, and published exponents."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from allometry.errors import UsageError
from allometry.fitting.fit import fit
from allometry.plan.approaches.parametric import parametric
from allometry.plan.frontier.cost import Cost
from allometry.tables.read import read_table
from allometry.tables.table import Table

COLUMNS = {"N": "n", "D": "d", "L": "loss"}
BESIROGLU = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
KAPLAN = {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103}  # 2001.08361, eq. 1.6


def chinchilla_loss(n, d):
    p = BESIROGLU
    return p["E"] + p["A"] * n ** -p["alpha"] + p["B"] * d ** -p["beta"]


def kaplan_loss(n, d):
    p = KAPLAN
    ratio = p["alpha_N"] / p["alpha_D"]
    return ((p["N_c"] / n) ** ratio + p["D_c"] / d) ** p["alpha_D"]


def fitted(law, loss, sd=0.0, **options):
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e10, 7), np.geomspace(1e9, 1e12, 7)))
    noise = np.exp(sd * np.random.default_rng(0).standard_normal(len(n)))
    table = Table({"n": n, "d": d, "loss": loss(n, d) * noise})
    return fit(table, law, COLUMNS, objective="squared_log", **options)


@pytest.mark.parametrize(
    ("law", "name", "loss"),
    [("chinchilla", "3", chinchilla_loss), ("kaplan", "kaplan", kaplan_loss)],
)
def test_the_closed_form_is_the_minimum_of_the_law(law, name, loss):
    made = parametric(fitted(law, loss, resamples=0), 1e23)
    found = minimize_scalar(
        lambda x: loss(np.exp(x), 1e23 / 6 / np.exp(x)), bounds=(15, 35), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    assert made.name == name
    assert made.n_opt.value == pytest.approx(np.exp(found.x), rel=1e-4)
    assert made.n_opt.value * made.d_opt.value == pytest.approx(1e23 / 6, rel=1e-9)
    assert made.exponent_n.value + made.exponent_d.value == pytest.approx(1, rel=1e-12)
    assert not made.n_opt.has_ends
    assert made.line_n.at(1e23)[0] == pytest.approx(made.n_opt.value)


def test_kaplans_own_parameters_give_their_exponent_with_six_n_d():
    """N ~ C^.575 of Kaplan's L(N, D) with C = 6 N D, not their .73."""
    made = parametric(fitted("kaplan", kaplan_loss, resamples=0), 1e23)
    assert made.exponent_n.value == pytest.approx(1 / (1 + 0.076 / 0.103), rel=1e-4)
    assert round(made.exponent_n.value, 3) == 0.575


def test_besiroglus_parameters_give_the_published_plan():
    made = parametric(fitted("chinchilla", chinchilla_loss, resamples=0), 1e24)
    assert made.n_opt.value == pytest.approx(9.58607e10, rel=1e-4)
    assert made.d_opt.value / made.n_opt.value == pytest.approx(18.137, rel=1e-4)


def test_intervals_are_percentiles_of_the_fits_draws():
    made_fit = fitted("chinchilla", chinchilla_loss, sd=0.005, resamples=200)
    made = parametric(made_fit, 1e24)
    d = {name: made_fit.draws[name] for name in ("A", "B", "alpha", "beta")}
    a = d["beta"] / (d["alpha"] + d["beta"])
    scale = (d["alpha"] * d["A"] / (d["beta"] * d["B"])) ** (1 / (d["alpha"] + d["beta"]))
    assert made.draws == pytest.approx(scale * (1e24 / 6) ** a, rel=1e-6)
    assert made.n_opt[1:] == pytest.approx(np.quantile(made.draws, [0.025, 0.975]))
    assert made.exponent_n[1:] == pytest.approx(np.quantile(a, [0.025, 0.975]))


def test_chinchillas_240_rows(reference):
    """Besiroglu et al. 2404.10102: a = .514, and Hoffmann's .454 is outside of its interval."""
    table = read_table(reference / "epoch_chinchilla/svg_extracted_data.csv")
    made_fit = fit(
        table, "chinchilla", {"N": "Model Size", "C": "Training FLOP", "L": "loss"},
        drop_largest={"L": 5}, resamples=300,
    )  # fmt: skip
    made = parametric(made_fit, 5.76e23)
    assert made_fit.rows == 240
    assert round(made.exponent_n.value, 3) == 0.514
    assert 0.46 < made.exponent_n.low < 0.514 < made.exponent_n.high < 0.57


def test_no_closed_form_is_refused():
    made = fitted("chinchilla", chinchilla_loss, resamples=0)
    with pytest.raises(UsageError, match="with C as with a head"):
        parametric(made, 1e24, Cost("with a head", "", lambda n: 6 * n + 1e9))
    line = fit(Table({"x": [1.0, 2.0, 4.0, 8.0], "y": [8.0, 4.1, 2.0, 1.0]}), "power",
               {"x": "x", "y": "y"}, resamples=0)  # fmt: skip
    with pytest.raises(UsageError, match="law power"):
        parametric(line, 1e24)
