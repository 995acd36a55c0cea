"""Rank-one updates and what a run tells, beside the whole computation."""

import numpy as np
import pytest

from allometry.fitting.fit import fit
from allometry.plan.design.choices import Pool, cheapest, greedy
from allometry.plan.design.scores import Belief, Part, belief_of, part_of_fit

RNG = np.random.default_rng(3)


def part(weight=1.0, targets=1, candidates=6, parameters=4, points=3):
    root = RNG.normal(size=(points, parameters, parameters))
    return Part(
        weight,
        root @ root.transpose(0, 2, 1) + np.eye(parameters),
        RNG.normal(size=(points, targets, parameters)),
        RNG.normal(size=(points, candidates, parameters)),
        RNG.uniform(0.1, 1, candidates),
    )


def test_updates_are_those_of_the_whole_information_matrix():
    before = part()
    after = before.after(2).after(5).after(2)
    for i in range(3):
        rows = before.candidates[i, [2, 5, 2]]
        information = np.linalg.inv(before.covariance[i]) + rows.T @ (
            rows / before.noise[[2, 5, 2], None]
        )
        np.testing.assert_allclose(after.covariance[i], np.linalg.inv(information), rtol=1e-9)


def test_the_reduction_is_what_the_variance_loses():
    one = part(points=1, targets=3)
    for place, expected in enumerate(one.reduction()):
        assert one.variance() - one.after(place).variance() == pytest.approx(expected)


def test_a_run_tells_the_laws_apart_where_they_differ_only():
    flat = Part(
        1.0, np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.zeros((1, 3, 1)), np.full(3, 1e-6)
    )
    answers = np.array([[0.0], [1.0]])
    predictions = np.array([[1.0, 2.0, 3.0], [1.0, 2.001, 3.5]])
    belief = belief_of([flat.weighing(0.5), flat.weighing(0.5)], answers, predictions)
    assert belief.variance() == pytest.approx(0.25)  # of 0 and 1, as likely
    told = belief.reduction()
    assert told[0] == pytest.approx(0, abs=1e-12)
    # Linear theory: (w w' gap)^2 / (w w' gap^2 + noise)
    assert told[1] == pytest.approx((0.25 * 1e-3) ** 2 / (0.25e-6 + 1e-6))
    assert told[2] == pytest.approx(0.25, rel=1e-4)
    assert belief.after(2).variance() == pytest.approx(0, abs=1e-4)


def test_what_laws_leave_open_hides_which_of_them_holds():
    open_part = Part(
        0.5, np.eye(1)[None], np.zeros((1, 1, 1)), np.ones((1, 2, 1)), np.full(2, 1e-6)
    )
    answers, predictions = np.eye(2), np.array([[0.0, 0.0], [0.1, 0.1]])
    belief = belief_of([open_part, open_part], answers, predictions)
    assert belief.reduction()[0] < 0.01 * belief.variance()
    assert belief.after(0).reduction()[1] > 3 * belief.reduction()[1]


def test_greedy_keeps_to_the_budget_and_to_two_of_each():
    one = part(candidates=5, points=1)
    cost = np.array([1.0, 2.0, 3.0, 4.0, 50.0])
    pool = Pool(cost, np.full(5, 2), 15.0, 100)
    after = greedy(belief_of([one], np.zeros((1, 1)), np.zeros((1, 5))), pool, Belief.reduction, 1)
    assert cost[pool.chosen].sum() <= 15
    assert max(np.bincount(pool.chosen)) <= 2
    assert 4 not in pool.chosen
    assert after.variance() < one.variance()
    few = Pool(cost, np.full(5, 2), 15.0, 2)
    cheapest(few)
    assert few.chosen == [0, 1]


def table(noise, seed=0):
    rng = np.random.default_rng(seed)
    n, d = np.exp(rng.uniform(np.log(1e7), np.log(1e9), 40)), np.exp(rng.uniform(20, 24, 40))
    loss = 1.8 + 480 * n**-0.35 + 2000 * d**-0.37
    return {"N": n, "D": d, "L": loss * np.exp(noise * rng.normal(size=40))}


def test_the_part_of_a_fit_predicts_the_scatter_of_its_resamples():
    one = fit(table(0.004), "chinchilla", N="N", D="D", L="L", objective="squared_log",
              resamples=400, starts=10)  # fmt: skip
    sizes = {"N": np.array([1e9, 3e9]), "D": np.array([1e11, 1e9])}

    def target(law, values):
        return np.log(law.evaluate(values, {"N": np.array([1e10]), "D": np.array([1e11])}))

    made, answers, predicted = part_of_fit(one, target, sizes, 1.0, 0)
    drawn = target(one.law, one.draws)[:, 0]
    # Linear theory and the bootstrap of 40 rows: alike to a third, and never below the bootstrap
    # but by the tails that a median leaves out.
    assert np.sqrt(made.variance()) == pytest.approx(drawn.std(), rel=0.34)
    np.testing.assert_allclose(predicted, np.log(one.predict(sizes)))
    assert answers[0] == pytest.approx(np.log(one.predict({"N": [1e10], "D": [1e11]})[0]))
