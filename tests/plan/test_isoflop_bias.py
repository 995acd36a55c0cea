"""The bias of approach 2: published errors to their digits, by the formula and by the recipe.

Czech 2603.22339, whose code has 15 points a curve and budgets 1e17 .. 1e21.
"""

import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.plan.approaches.isoflop import isoflop
from allometry.plan.approaches.isoflop_bias import Exponents, predicted_bias, vertex_offset
from allometry.plan.approaches.isoflop_quality import UNSCREENED
from allometry.plan.runs import Runs
from allometry.tables.read import read_table

BUDGETS = np.array([1e17, 1e18, 1e19, 1e20, 1e21])
POINTS = 15
TARGET = 1e24
WIDTHS = np.log([2.0, 4.0, 8.0, 16.0])  # half-widths of the grids in ln N
CENTRED, AT_THREE = np.zeros(5), np.full(5, -np.log(3))  # ln N: the centre is at 3 D*
DRIFTING = -np.log(3) * np.linspace(0, 1, 5)
# alpha, beta, A, B of the surfaces; E = 1.69 has no part in the bias.
SURFACES = {
    "Symmetric": (0.31, 0.31, 400.0, 400.0),
    "Chinchilla": (0.34, 0.28, 406.4, 410.7),
    "Asymmetric": (0.465, 0.155, 406.4, 410.7),
}


def grids(half_width, centres=CENTRED):
    return [np.linspace(-half_width, half_width, POINTS) + centre for centre in centres]


def surface_optimum(surface, compute):
    """N* of Hoffmann et al., eq. 4, written out a second time."""
    alpha, beta, a, b = SURFACES[surface]
    scale = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    return scale * (np.asarray(compute) / 6) ** (beta / (alpha + beta))


def surface_runs(surface, offsets, budgets=BUDGETS):
    alpha, beta, a, b = SURFACES[surface]
    n = np.concatenate(
        [surface_optimum(surface, c) * np.exp(w) for c, w in zip(budgets, offsets, strict=True)]
    )
    compute = np.repeat(budgets, [len(w) for w in offsets])
    d = compute / (6 * n)
    loss = 1.69 + a * n**-alpha + b * d**-beta
    return Runs(n, d, compute, loss, np.arange(len(n)), np.arange(len(n)))


def bias(surface, half_width, centres=CENTRED):
    exponents = Exponents(*SURFACES[surface][:2])
    return predicted_bias(exponents, grids(half_width, centres), BUDGETS, TARGET)


@pytest.mark.parametrize("file", ["extrapolation_error_data", "off_center_constant_bias_data"])
def test_every_published_row_follows_from_the_formula_and_from_the_recipe(reference, file):
    rows = list(read_table(reference / f"approach2_bias/{file}.csv"))
    assert len(rows) in (4, 12)
    for row in rows:
        surface, half_width = row["surface"], row["log_range"] * np.log(10)
        centres = np.full(5, -np.log(row.get("center_scale", 1.0)))
        assert 100 * bias(surface, half_width, centres).d == pytest.approx(
            row["rel_error_pct"], rel=1e-10, abs=1e-10
        )
        runs = surface_runs(surface, grids(half_width, centres))
        made = isoflop(runs, TARGET, exponents=Exponents(*SURFACES[surface][:2]),
                       quality=UNSCREENED).approach  # fmt: skip
        plain = isoflop(runs, TARGET, quality=UNSCREENED).approach
        assert plain.d_opt.value == pytest.approx(row["inferred_D"], rel=1e-9)
        assert made.d_opt.value == pytest.approx(row["true_D"], rel=1e-9)


# Per cent of D*, at half-widths of 2, 4, 8 and 16 times, printed with these digits.
PRINTED = [
    ("Symmetric", AT_THREE, (3.974, 3.472, 2.645, 1.510), 3),
    ("Symmetric", DRIFTING, (6.071, 5.171, 3.698, 1.689), 3),
    ("Chinchilla", CENTRED, (-0.3269, -1.3011, -2.9029, -5.1002), 4),
    ("Chinchilla", AT_THREE, (7.110, 5.691, 3.376, 0.238), 3),
    ("Chinchilla", DRIFTING, (11.614, 9.832, 6.939, 3.048), 3),
]


@pytest.mark.parametrize(("surface", "centres", "printed", "digits"), PRINTED)
def test_the_printed_errors(surface, centres, printed, digits):
    found = [round(100 * bias(surface, width, centres).d, digits) for width in WIDTHS]
    assert found == list(printed)


def test_a_symmetric_surface_on_a_centred_grid_has_no_bias():
    assert [bias("Symmetric", width).n for width in WIDTHS] == pytest.approx([0] * 4, abs=1e-12)


def test_only_a_drifting_centre_biases_the_exponent():
    narrow, wide = bias("Symmetric", WIDTHS[0], DRIFTING), bias("Asymmetric", WIDTHS[-1], DRIFTING)
    assert round(narrow.exponent_n, 3) == -0.004  # the ends of the published range
    assert round(wide.exponent_n, 3) == -0.026
    for centres in (CENTRED, AT_THREE):
        for surface in SURFACES:
            assert bias(surface, WIDTHS[2], centres).exponent_n == pytest.approx(0, abs=1e-12)


def test_the_article_prints_the_error_of_an_intercept_for_that_of_tokens():
    """4.1% at 16 times is the error of log10 of a factor; that of D* is 5.1%."""
    alpha, beta, a, b = SURFACES["Chinchilla"]
    shift = vertex_offset(Exponents(alpha, beta), grids(WIDTHS[3])[0])
    log_g = np.log(alpha * a / (beta * b)) / (alpha + beta)
    intercept = -log_g - alpha / (alpha + beta) * np.log(6)  # of ln D* against ln C
    assert -shift / abs(intercept) == pytest.approx(-0.041, abs=5e-4)
    assert np.expm1(-shift) == pytest.approx(-0.0510, abs=5e-5)


def test_the_leading_order_of_small_grids():
    """(alpha - beta) h^2 kappa / 6 with kappa = (3 n^2 - 7)/(5 (n - 1)^2), within 0.1%."""
    h, kappa = np.log(1.3), (3 * POINTS**2 - 7) / (5 * (POINTS - 1) ** 2)
    exact = vertex_offset(Exponents(0.34, 0.28), grids(h)[0])
    assert exact == pytest.approx((0.34 - 0.28) * h**2 * kappa / 6, rel=1e-3)


def test_the_offset_is_that_of_a_parabola_fitted_by_another_library():
    rng = np.random.default_rng(0)
    for alpha, beta in ((0.34, 0.28), (0.1, 0.9), (0.5, 0.5)):
        offsets = rng.uniform(-2, 3, 9)
        loss = beta * np.exp(-alpha * offsets) + alpha * np.exp(beta * offsets)
        bend, slope, _ = np.polyfit(offsets, loss, 2)
        found = vertex_offset(Exponents(alpha, beta), offsets)
        assert found == pytest.approx(-slope / (2 * bend), rel=1e-9)


def test_exponents_that_give_no_optimum_are_refused():
    with pytest.raises(UsageError, match="alpha > 0 and beta > 0"):
        Exponents(0.3, -0.1)
    with pytest.raises(UsageError, match="three different sizes"):
        vertex_offset(Exponents(0.3, 0.3), np.array([0.0, 1.0, 1.0]))
