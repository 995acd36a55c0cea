"""Conventions of C against transformers whose products of matrices are counted one by one."""

import numpy as np
import pytest

from allometry.errors import DataError, UsageError
from allometry.plan.frontier.conventions import convention, measured
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.runs import Runs
from tests.plan.published import BESIROGLU

GPT2 = {"layers": 12, "d": 768, "vocabulary": 50257, "sequence": 1024}
WIDE = {"layers": 40, "d": 5120, "vocabulary": 32000, "sequence": 4096}
PARTS = {"body", "head", "attention"}


def counted(layers, d, vocabulary, sequence, parts):
    """N_body, and training FLOP for each token: 2 for each multiply-add, three passes."""
    rows, multiply_adds = 0, 0
    for _ in range(layers):
        for inputs, outputs in ((d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)):
            rows += inputs * outputs
            multiply_adds += inputs * outputs
        if "attention" in parts:
            multiply_adds += sequence * d + sequence * d  # scores, and the mean of values
    if "head" in parts:
        multiply_adds += d * vocabulary
    return rows, 3 * 2 * multiply_adds


@pytest.mark.parametrize("model", [GPT2, WIDE], ids=["gpt2", "wide"])
@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("6nd_body", set()),
        ("6nd_body_plus_head", {"head"}),
        ("with_attention", {"head", "attention"}),
        ("deepseek", {"attention"}),
    ],
)
def test_a_convention_is_the_count_of_its_products(model, name, parts):
    n_body, each = counted(**model, parts=parts)
    cost = convention(
        name, vocabulary=model["vocabulary"], sequence=model["sequence"],
        aspect_ratio=model["d"] / model["layers"],
    )  # fmt: skip
    assert cost.name == name
    assert cost.per_token(np.array([float(n_body)]))[0] == pytest.approx(each, rel=1e-12)
    others = [counted(**model, parts=p)[1] for p in ([], ["head"], ["attention"], PARTS)]
    assert sum(other == pytest.approx(each, rel=1e-9) for other in others) == 1


def test_6nd_total_takes_every_parameter():
    cost = convention("6nd_total")
    assert cost.compute(np.array([1e9]), np.array([2e10])) == pytest.approx([1.2e20])
    assert cost.flat == 6


@pytest.mark.parametrize("name", ["6nd_total", "6nd_body_plus_head", "with_attention", "deepseek"])
def test_n_d_and_c_are_inverse_to_each_other(name):
    cost = convention(name, vocabulary=50257, sequence=2048, aspect_ratio=64)
    n, d = np.geomspace(1e3, 1e13, 7), np.geomspace(1e15, 1e6, 7)
    compute = cost.compute(n, d)
    assert cost.tokens(n, compute) == pytest.approx(d, rel=1e-12)
    assert cost.parameters(d, compute) == pytest.approx(n, rel=1e-10)


def test_the_best_size_with_a_head_is_that_of_a_grid():
    cost = convention("with_attention", vocabulary=50257, sequence=2048, aspect_ratio=64)
    n = np.geomspace(1e7, 1e9, 400_001)
    loss = BESIROGLU.loss(n[None], cost.tokens(n, np.array(1e19))[None])[0]
    best = Frontier(BESIROGLU.law, BESIROGLU.values, cost).at(1e19)
    assert best.n[0] == pytest.approx(n[loss.argmin()], rel=3e-5)
    assert best.loss[0] == pytest.approx(loss.min(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("6nd_body_plus_head", {"vocabulary": 50257}, "the aspect ratio of the model"),
        ("with_attention", {"vocabulary": 5, "aspect_ratio": 64}, "the length of a sequence"),
        ("deepseek", {}, "the length of a sequence in tokens and the aspect ratio"),
        ("measured", {}, "runs with a measured C"),
        ("with_atention", {}, "did you mean 'with_attention'"),
        ("deepseek", {"sequence": 0, "aspect_ratio": 64}, "positive"),
        ("deepseek", {"sequence": 2048, "aspect_ratio": float("nan")}, "positive"),
    ],
)
def test_what_is_missing_is_said(name, given, said):
    with pytest.raises(UsageError, match=said):
        convention(name, **given)


def runs(n, d, compute):
    places = np.arange(len(n))
    return Runs(n, d, compute, np.ones(len(n)), places, places)


def test_measured_recovers_the_power_and_says_how_far_a_run_is_off():
    n, d = np.geomspace(1e6, 1e9, 8), np.full(8, 1e10)
    each = 30 * n**0.93
    off = each * np.array([1, 1, 1, 1.1, 1, 1, 1, 1])
    exact, noisy = measured(runs(n, d, each * d)), measured(runs(n, d, off * d))
    assert (exact.coefficient, exact.exponent) == pytest.approx((30, 0.93), rel=1e-9)
    assert exact.deviation < 1e-9
    slope, intercept = np.polyfit(np.log(n), np.log(off), 1)
    assert noisy.exponent == pytest.approx(slope, rel=1e-9)
    far = np.abs(off / np.exp(intercept + slope * np.log(n)) - 1).max()
    assert noisy.deviation == pytest.approx(far, rel=1e-9)
    assert f"{100 * far:.2g}%" in noisy.cost.meaning
    assert convention("measured", runs=runs(n, d, off * d)).name == "measured"


def test_a_measured_c_that_is_6nd_keeps_the_closed_forms():
    n, d = np.geomspace(1e6, 1e9, 8), np.geomspace(1e9, 1e11, 8)
    cost = measured(runs(n, d, 6 * n * d)).cost
    assert cost.flat == pytest.approx(6, rel=1e-12)
    best = Frontier(BESIROGLU.law, BESIROGLU.values, cost).at(1e24)
    assert best.n[0] == pytest.approx(BESIROGLU.at(1e24).n[0], rel=1e-9)


def test_a_measured_c_that_tells_no_power_is_refused():
    n, d = np.full(4, 1e8), np.geomspace(1e9, 1e10, 4)
    with pytest.raises(DataError, match="same N"):
        measured(runs(n, d, 6 * n * d))
    n = np.geomspace(1e6, 1e9, 4)
    with pytest.raises(DataError, match="falls with N"):
        measured(runs(n, d, d / n))
