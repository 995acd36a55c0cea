"""Intervals of means, differences and shares, against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from allometry.stats.means import difference, mean, next_draw_reach, share


def test_a_difference_of_means_has_welchs_interval():
    rng = np.random.default_rng(0)
    first, second = rng.normal(3, 1, 8), rng.normal(1, 4, 21)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    value, low, high = difference(first, second)
    assert value == pytest.approx(first.mean() - second.mean())
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_samples_that_do_not_vary_have_no_interval():
    assert difference([1.0, 1.0], [3.0, 3.0]).value == -2
    assert not difference([1.0, 1.0], [3.0, 3.0]).has_ends


def test_a_mean_has_students_interval():
    values = np.random.default_rng(1).normal(size=7)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert mean(values)[1:] == pytest.approx(expected)


@pytest.mark.parametrize(("hits", "cases"), [(0, 5), (3, 10), (12, 12)])
def test_a_share_has_the_interval_of_clopper_and_pearson(hits, cases):
    exact = stats.binomtest(hits, cases).proportion_ci(0.95, method="exact")
    assert share(hits, cases) == pytest.approx((hits / cases, exact.low, exact.high))


def test_one_further_draw_lies_within_its_reach_nineteen_times_in_twenty():
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(20_000, 6))
    rest, last = draws[:, :5], draws[:, 5]
    reach = next_draw_reach(5) * rest.std(axis=1, ddof=1)
    assert (np.abs(last - rest.mean(axis=1)) <= reach).mean() == pytest.approx(0.95, abs=0.005)
    assert np.isnan(next_draw_reach(1))
