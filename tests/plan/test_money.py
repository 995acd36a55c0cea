"""Dollars and hours, against the examples of Sardana et al. and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from allometry.errors import UsageError
from allometry.plan.beyond.money import PEAKS, Peak, Rate, Serving, cheapest, dollars, hours
from allometry.plan.beyond.other_budgets import fixed_size
from allometry.plan.frontier.cost import SIX_ND
from tests.plan.published import SARDANA

INT8 = PEAKS["a100-int8"]
TRAIN = Rate(1.40, PEAKS["a100-bf16"], 0.5)
# 10^10 requests of 1000 tokens read and 250 generated, on A100 in int8 at $0.60 an hour.
SERVING = Serving(1e13, 2.5e12, Rate(0.60, INT8, 0.4), Rate(0.60, INT8, 0.2))


def test_sardanas_cheapest_run_to_its_digits():
    found = cheapest(SARDANA, TRAIN, SERVING, loss=1.947)
    assert (f"{found.run.n[0]:.3e}", f"{found.run.d[0]:.3e}") == ("2.053e+10", "3.302e+12")
    shares = (found.run.n / found.baseline.n, found.run.d / found.baseline.d,
              found.dollars.total / found.baseline_dollars.total)  # fmt: skip
    assert [round(100 * float(share[0]), 2) for share in shares] == [60.23, 182.41, 88.76]


def test_the_cheapest_run_is_that_of_scipy():
    """Eq. 6 written out, D from the loss in closed form."""
    v = {name: value[0] for name, value in SARDANA.values.items()}
    train = 1.40 / 3600 / 312e12 / 0.5
    served = 0.60 / 3600 / 624e12 * (1e13 / 0.4 + 2.5e12 / 0.2)

    def price(log_n):
        n = np.exp(log_n)
        d = (v["B"] / (1.947 - v["E"] - v["A"] * n ** -v["alpha"])) ** (1 / v["beta"])
        return 6 * n * d * train + 2 * n * served

    best = minimize_scalar(price, bounds=(np.log(1.5e10), np.log(1e11)), method="bounded",
                           options={"xatol": 1e-10})  # fmt: skip
    found = cheapest(SARDANA, TRAIN, SERVING, loss=1.947)
    assert found.dollars.total[0] == pytest.approx(best.fun, rel=1e-10)
    assert found.run.n[0] == pytest.approx(np.exp(best.x), rel=1e-5)


def test_the_prices_given_are_the_prices_taken():
    """cost_calculator.py of Sardana et al. prints $6.378e5 whatever price it is given."""
    run = fixed_size(SARDANA, 30e9)
    assert f"{run.d[0]:.3e}" == "1.556e+12"

    def total(train, serve):
        serving = Serving(5e11, 1e11, Rate(serve, INT8, 0.5), Rate(serve, INT8, 0.01))
        return dollars(SIX_ND, run.n, run.d, Rate(train, PEAKS["h100-bf16"], 0.5), serving).total[0]

    assert round(total(1.50, 0.60)) == 412_263
    assert f"{total(2.00, 1.10):.3e}" == "6.378e+05"  # its default prices


def test_hours_of_a_thousand_h100():
    assert hours(np.array([1e24]), 1000, PEAKS["h100-bf16"], 0.4) == pytest.approx(
        [1e24 / (1000 * 989e12 * 0.4) / 3600]
    )


def test_a_sparse_peak_is_halved_and_said_so():
    sheet = Peak(1979e12, "sparse", "H100 SXM bf16")
    assert sheet.dense == 989.5e12
    assert "half" in sheet.note and "sparsity" in sheet.note
    assert hours(np.array(1e24), 8, sheet, 0.4) == pytest.approx(
        hours(np.array(1e24), 8, Peak(989.5e12, "dense"), 0.4)
    )
    spent = dollars(SIX_ND, np.array([1e9]), np.array([1e10]), Rate(2, sheet, 0.4))
    assert spent.notes == (sheet.note,)
    assert dollars(SIX_ND, np.array([1e9]), np.array([1e10]), TRAIN).notes == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Peak(989, "dense"), "TFLOP per second write 9.89e\\+14"),
        (lambda: Peak(-1.0, "dense"), "positive peak"),
        (lambda: Peak(989e12, "fast"), "dense or sparse"),
        (lambda: Rate(2.0, INT8, 40), "for 40% write 0.4"),
        (lambda: Rate(2.0, INT8, 0), "above 0 and at most 1"),
        (lambda: Rate(-2.0, INT8, 0.4), "price"),
        (lambda: Serving(-1, 1, TRAIN, TRAIN), "input tokens"),
        (lambda: hours(np.array(1e24), 0, INT8, 0.4), "integer of at least 1"),
        (lambda: hours(np.array(1e24), 1.5, INT8, 0.4), "integer of at least 1"),
        (lambda: cheapest(SARDANA, Rate(0, INT8, 0.4), SERVING, loss=1.947), "price of training"),
    ],
)
def test_nonsense_is_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        wrong()
