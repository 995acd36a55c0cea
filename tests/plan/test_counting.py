"""With and without embeddings: Pearce & Song's reconciliation, and plans in one currency."""

import numpy as np
import pytest
from scipy.optimize import brentq

from allometry.errors import DataError
from allometry.plan.beyond.counting import (
    Counts,
    exponents,
    other_column,
    recounted,
    with_embedding,
)
from allometry.plan.beyond.other_budgets import compute_of_best_size
from allometry.plan.frontier.conventions import convention
from allometry.plan.frontier.cost import SIX_ND
from tests.plan.published import BESIROGLU, HOFFMANN

OMEGA = 47491  # N_total = N_body + 47491 N_body^(1/3), Pearce & Song 2406.12907
VOCABULARY = 32000
ASPECT = 12 * (OMEGA / VOCABULARY) ** 3
BODY = convention("6nd_body")
RANGE_BODY, RANGE_TOTAL = (10**12.95, 10**20.7), (1e14, 10**20.7)  # of their script, in FLOP


def by_body(frontier):
    return recounted(frontier, with_embedding(VOCABULARY, ASPECT), BODY)


def test_the_count_is_pearce_and_songs():
    n = np.geomspace(1e3, 1e11, 5)
    expected = n + OMEGA * np.cbrt(n)
    assert with_embedding(VOCABULARY, ASPECT)(n) == pytest.approx(expected, rel=1e-12)


def envelope(frontier, cost, computes, count):
    """Slopes of the best of 20 sizes, each at the nearest of 1,000 D, as their script has them."""
    n = np.logspace(2.9, 9.2, 20)
    if count == "total":
        n = with_embedding(VOCABULARY, ASPECT)(n)
    d = np.logspace(6, 25, 1000)
    losses = frontier.loss(n[None, :].repeat(1000, 0).ravel(), d[:, None].repeat(20, 1).ravel())
    losses = losses[0].reshape(1000, 20)
    spent = cost.compute(n[None, :], d[:, None])
    chosen, least = [], []
    for compute in np.geomspace(*computes, 100):
        at = losses[np.abs(spent - compute).argmin(0), np.arange(20)]
        chosen.append(n[at.argmin()])
        least.append(at.min())
    log_c = np.log(np.geomspace(*computes, 100))
    return np.polyfit(log_c, np.log(chosen), 1)[0], np.polyfit(log_c, np.log(least), 1)[0]


@pytest.mark.parametrize(
    ("frontier", "body", "total"),
    [
        (BESIROGLU, (0.7805, -0.069), (0.5154, -0.097)),
        (HOFFMANN, (0.7388, -0.066), (0.4577, -0.087)),
    ],
    ids=["besiroglu", "hoffmann"],
)
def test_the_published_exponents_of_both_counts(frontier, body, total):
    """Kaplan et al. found .73 without embeddings where the law in all parameters has .51."""
    n, loss = envelope(by_body(frontier), BODY, RANGE_BODY, "body")
    assert (round(n, 4), round(loss, 3)) == body
    n, loss = envelope(frontier, SIX_ND, RANGE_TOTAL, "total")
    assert (round(n, 4), round(loss, 3)) == total


@pytest.mark.parametrize("frontier", [BESIROGLU, HOFFMANN], ids=["besiroglu", "hoffmann"])
def test_exponents_are_those_of_pearce_and_songs_equation(frontier):
    """Their closed form gives C as a function of the best N_body."""
    big_a, big_b, alpha, beta = (frontier.values[p][0] for p in ("A", "B", "alpha", "beta"))

    def compute(n):
        slope, total = n + OMEGA / 3 * np.cbrt(n), n + OMEGA * np.cbrt(n)
        factor = (beta / alpha * big_b / big_a) ** (1 / beta)
        return 6 * n * slope ** (-1 / beta) * total ** ((1 + alpha) / beta) * factor

    computes = np.geomspace(*RANGE_BODY, 25)
    best = [brentq(lambda x, c=c: np.log(compute(np.exp(x)) / c), 0, 40) for c in computes]
    expected = np.polyfit(np.log(computes), best, 1)[0]
    found = exponents(by_body(frontier), *RANGE_BODY)
    assert found.n[0] == pytest.approx(expected, abs=1e-7)
    assert found.n + found.d == pytest.approx(1.0, abs=1e-12)  # C is 6 N_body D


def test_in_its_own_count_a_law_has_its_own_exponents():
    found = exponents(BESIROGLU, 1e18, 1e24)
    assert found.n[0] == pytest.approx(0.3658 / (0.3478 + 0.3658), rel=1e-9)


@pytest.mark.parametrize(
    ("vocabulary", "low", "high"), [(256, 0.69, 0.74), (512, 0.80, 0.85), (1024, 0.91, 0.94)]
)
def test_the_exponent_without_embeddings_grows_with_the_vocabulary(vocabulary, low, high):
    """Between N_body 3e3 and 1e5, for models 16 to 39 wide for each layer; computed apart.

    Whether the slope is that of a line or of the ends moves it by .01.
    """
    for aspect in (16, 39):
        frontier = recounted(BESIROGLU, with_embedding(vocabulary, aspect), BODY)
        ends = (compute_of_best_size(frontier, n)[0] for n in (3e3, 1e5))
        assert low - 0.01 < exponents(frontier, *ends).n[0] < high + 0.01


def counts_of_models():
    body = np.geomspace(1e6, 1e9, 9)
    return Counts.of_rows(with_embedding(VOCABULARY, ASPECT)(body), body)


def test_counts_are_interpolated_in_logs_and_continued_beyond_the_models():
    counts, n = counts_of_models(), np.geomspace(1e4, 1e13, 40)
    total = with_embedding(VOCABULARY, ASPECT)(n)  # its embedding is a power of N_body
    assert counts.to_total(n) == pytest.approx(total, rel=1e-10)
    assert counts.to_body(total) == pytest.approx(n, rel=1e-10)
    rough = Counts.of_rows(np.array([3e6, 3e7]), np.array([1e6, 2e7]))
    middle = np.sqrt(1e6 * 2e7)
    assert rough.to_total(np.array(middle)) == pytest.approx(middle + np.sqrt(2e6 * 1e7))


def test_columns_that_are_no_two_counts_are_refused():
    with pytest.raises(DataError, match="must exceed"):
        Counts.of_rows(np.array([1e6, 2e6]), np.array([1e6, 2e6]))
    with pytest.raises(DataError, match="two sizes"):
        Counts.of_rows(np.array([2e6, 2e6]), np.array([1e6, 1e6]))
    with pytest.raises(DataError, match="does not rise"):
        Counts.of_rows(np.array([9e6, 3e6]), np.array([1e6, 2e6]))


def test_the_other_column_costs_what_a_grid_says():
    """Truth in all parameters; the other plan is 6 N_body D with the same truth recounted."""
    compute = 1e18
    found = other_column(BESIROGLU, by_body(BESIROGLU), counts_of_models(), compute)
    n_body = np.geomspace(1e5, 1e10, 1_000_001)
    loss = BESIROGLU.loss(with_embedding(VOCABULARY, ASPECT)(n_body)[None],
                          (compute / (6 * n_body))[None])[0]  # fmt: skip
    best = n_body[loss.argmin()]
    total, d = with_embedding(VOCABULARY, ASPECT)(best), compute / (6 * best)
    assert found.n_body_as_total[0] == pytest.approx(total, rel=3e-5)
    spent, needed = 6 * total * d, brentq(
        lambda c: BESIROGLU.at(c).loss[0] - loss.min(), 1e16, 1e21, rtol=1e-12
    )  # fmt: skip
    assert found.compute_ratio[0] == pytest.approx(spent / compute, rel=3e-5)
    assert found.waste_of_body[0] == pytest.approx(1 - needed / spent, rel=1e-4)
    assert found.n_total[0] == BESIROGLU.at(compute).n[0]
    assert 0 < found.waste_of_total[0] < 1


def test_nothing_is_wasted_where_both_columns_count_the_same_compute():
    count = with_embedding(VOCABULARY, ASPECT)
    head = convention("6nd_body_plus_head", vocabulary=VOCABULARY, aspect_ratio=ASPECT)
    found = other_column(BESIROGLU, recounted(BESIROGLU, count, head), counts_of_models(), 1e19)
    assert found.waste_of_body[0] == pytest.approx(0, abs=1e-9)
    assert found.waste_of_total[0] == pytest.approx(0, abs=1e-9)
    assert found.compute_ratio[0] == pytest.approx(1, rel=1e-9)
