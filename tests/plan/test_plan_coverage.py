"""The 95% interval of the best size holds the truth; `benchmarks/plan_coverage.py` measures it."""

import numpy as np
import pytest
from benchmarks.plan_coverage import (
    BEYOND,
    COLUMNS,
    DESIGNS,
    LARGEST,
    RESAMPLES,
    SMALLEST,
    STARTS,
    best,
    measure,
    planned,
    simulated,
)
from scipy.stats import binom

from allometry.fitting.options import FitOptions
from allometry.plan.question import plan


@pytest.mark.parametrize("design", DESIGNS)
def test_designs_have_35_runs_or_so_and_one_largest_compute(design):
    n, d = DESIGNS[design]()
    compute = 6 * n * d
    assert 35 <= len(n) <= 36
    assert compute.max() == pytest.approx(LARGEST) and compute.min() >= SMALLEST * (1 - 1e-9)


def test_the_benchmark_plans_as_the_planner_does():
    design, seed = "isoFLOP 5 x 7, +-8x", 3
    options = FitOptions(resamples=RESAMPLES, starts=STARTS, seed=seed)
    made = plan(simulated(design, seed), COLUMNS, compute=BEYOND * LARGEST, fit=options)
    for name, ends in planned(design, seed).items():
        assert np.exp(ends) == pytest.approx(np.array(made.approaches[name].n_opt), rel=1e-9)
    assert made.first.n_opt == made.approaches["3"].n_opt
    assert best(BEYOND * LARGEST)[0][0] == pytest.approx(2.77846e9, rel=2e-6)  # at 1e21


@pytest.mark.slow
@pytest.mark.parametrize("design", ["isoFLOP 5 x 7, +-8x", "L-shape 18 + 17"])
def test_intervals_of_95_percent_hold_the_truth_as_often(design):
    """Rule: hits lie in the central 99.9% of a binomial with a coverage from 0.93 to 0.97."""
    (third, *_) = measure(design, 150, workers=1)
    hits = round(third.covered * third.planned)
    assert third.planned == 150 and third.approach == "3"
    assert binom.ppf(0.0005, 150, 0.93) <= hits <= binom.ppf(0.9995, 150, 0.97)
