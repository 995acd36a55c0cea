"""Training and inference together, against published digits, a grid and scipy.optimize."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from allometry import laws
from allometry.errors import UsageError
from allometry.plan.beyond.inference import equal_quality, lifetime
from allometry.plan.beyond.other_budgets import compute_of_best_tokens
from allometry.plan.frontier.conventions import convention
from allometry.plan.frontier.optimum import Frontier
from tests.plan.published import BESIROGLU, MUENNIGHOFF, SARDANA, UNKNOWN, searched


def printed(value, digits):
    return f"{float(value[0]):.{digits - 1}e}"


def test_sardanas_readme_to_its_digits():
    assert SARDANA.loss_at(70e9, 1e12)[0] == pytest.approx(1.94727279, abs=5e-9)
    found = equal_quality(SARDANA, 2e12, loss=1.947)
    assert (printed(found.n_opt, 4), printed(found.d_opt, 4)) == ("2.418e+10", "2.657e+12")
    assert (printed(found.baseline.n, 4), printed(found.baseline.d, 5)) == (
        "3.408e+10", "1.8103e+12",
    )  # fmt: skip
    shares = (found.n_opt / found.baseline.n, found.d_opt / found.baseline.d,
              found.total_flops / found.baseline_flops)  # fmt: skip
    assert [round(100 * float(share[0]), 2) for share in shares] == [70.96, 146.77, 95.22]


def test_besiroglus_law_with_1e13_tokens():
    found = equal_quality(BESIROGLU, 1e13, compute=1e24)
    assert (printed(found.n_opt, 6), printed(found.d_opt, 6)) == ("4.82828e+10", "4.32228e+12")
    saved = float(found.total_flops[0] / found.baseline_flops[0]) - 1
    assert round(100 * saved, 2) == -23.98
    assert found.loss[0] == pytest.approx(BESIROGLU.at(1e24).loss[0], abs=1e-12)


def test_besiroglus_law_with_a_lifetime_budget():
    found = lifetime(BESIROGLU, 1e24, 1e13)
    assert (printed(found.n_opt, 6), printed(found.loss, 7)) == ("2.51488e+10", "1.988529e+00")
    assert round(float(found.d_opt[0] / found.n_opt[0])) == 131
    assert found.total_flops[0] == pytest.approx(1e24, rel=1e-12)
    assert found.baseline_flops is None


@pytest.mark.parametrize("found", [
    equal_quality(BESIROGLU, 1e13, compute=1e24), equal_quality(SARDANA, 3e11, compute=1e22),
    lifetime(BESIROGLU, 1e24, 1e13), lifetime(SARDANA, 1e22, 1e12), lifetime(BESIROGLU, 1e21, 1e15),
], ids=lambda found: found.account)  # fmt: skip
def test_the_first_order_condition_holds(found):
    """Sardana et al. 2401.00448, eq. 3."""
    for frontier in (BESIROGLU, SARDANA):
        v = {name: value[0] for name, value in frontier.values.items()}
        n, d = found.n_opt[0], found.d_opt[0]
        if abs(frontier.loss_at(n, d)[0] - found.loss[0]) < 1e-12:
            ratio = v["alpha"] * v["A"] * n ** -v["alpha"] / (v["beta"] * v["B"] * d ** -v["beta"])
            assert ratio == pytest.approx(1 + found.tokens / (3 * d), rel=1e-9)
            return
    raise AssertionError("the loss is of neither law")


def test_the_least_flop_is_that_of_a_grid():
    """Equal quality by brute force: D from the loss in closed form, 6 N D + 2 N T over N."""
    v = {name: value[0] for name, value in BESIROGLU.values.items()}
    level = BESIROGLU.at(1e24).loss[0] - v["E"]
    n = np.geomspace(1e10, 1e11, 2_000_001)
    left = level - v["A"] * n ** -v["alpha"]
    d = np.where(left > 0, v["B"] / np.where(left > 0, left, 1), np.inf) ** (1 / v["beta"])
    flops = 6 * n * d + 2 * n * 1e13
    found = equal_quality(BESIROGLU, 1e13, compute=1e24)
    assert found.n_opt[0] == pytest.approx(n[flops.argmin()], rel=3e-5)
    assert found.total_flops[0] == pytest.approx(flops.min(), rel=1e-10)


@pytest.mark.parametrize(("compute", "tokens"), [(1e24, 1e13), (1e22, 1e12), (1e21, 1e16)])
def test_the_least_loss_of_a_lifetime_is_that_of_scipy(compute, tokens):
    def loss(log_n):
        n = np.exp(log_n)
        return BESIROGLU.loss_at(n, (compute - 2 * n * tokens) / (6 * n))[0]

    most = np.log(compute / (2 * tokens))
    found = minimize_scalar(loss, bounds=(most - 12, most - 1e-9), method="bounded",
                            options={"xatol": 1e-11})  # fmt: skip
    ours = lifetime(BESIROGLU, compute, tokens)
    assert ours.loss[0] == pytest.approx(found.fun, rel=1e-12)
    assert ours.n_opt[0] == pytest.approx(np.exp(found.x), rel=1e-5)


KAPLAN = Frontier(laws.kaplan, {
    "N_c": np.array([8.8e13, 6e13]), "D_c": np.array([5.4e13, 7e13]),
    "alpha_N": np.array([0.076, 0.08]), "alpha_D": np.array([0.095, 0.1]),
})  # fmt: skip


@pytest.mark.parametrize(
    "frontier", [BESIROGLU, SARDANA, KAPLAN], ids=["besi", "sardana", "kaplan"]
)
@pytest.mark.parametrize("tokens", [0, 1e11, 1e13])
def test_the_search_finds_what_the_closed_forms_give(frontier, tokens):
    other = searched(frontier)
    for form in (lambda f: equal_quality(f, tokens, compute=1e22),
                 lambda f: lifetime(f, 1e22, tokens)):  # fmt: skip
        closed, found = form(frontier), form(other)
        assert found.n_opt == pytest.approx(closed.n_opt, rel=1e-5)
        assert found.d_opt == pytest.approx(closed.d_opt, rel=1e-5)
        assert found.loss == pytest.approx(closed.loss, rel=1e-10)
        assert found.total_flops == pytest.approx(closed.total_flops, rel=1e-10)


def test_without_inference_both_accounts_are_the_plain_optimum():
    best = BESIROGLU.at(1e22)
    for found in (equal_quality(BESIROGLU, 0, compute=1e22), lifetime(BESIROGLU, 1e22, 0)):
        assert (found.n_opt, found.d_opt) == (pytest.approx(best.n), pytest.approx(best.d))


def test_every_draw_has_its_own_plan():
    rng = np.random.default_rng(1)
    values = {name: value * np.exp(0.02 * rng.standard_normal(5))
              for name, value in BESIROGLU.values.items()}  # fmt: skip
    together = Frontier(laws.chinchilla, values)
    for form in (lambda f: equal_quality(f, 1e13, compute=1e24), lambda f: lifetime(f, 1e24, 1e13)):
        joint = form(together)
        for i in range(5):
            one = form(Frontier(laws.chinchilla, {s: v[[i]] for s, v in values.items()}))
            assert joint.n_opt[i] == pytest.approx(one.n_opt[0], rel=1e-12)
            assert joint.loss[i] == pytest.approx(one.loss[0], rel=1e-12)


def test_a_law_of_repeated_data_is_planned_too():
    """No closed form: the run found is better than its neighbours of the same loss."""
    frontier = Frontier(MUENNIGHOFF.law, MUENNIGHOFF.values, UNKNOWN, {"U": 1e11})
    found = equal_quality(frontier, 1e12, compute=1e22)
    assert found.loss[0] == pytest.approx(frontier.at(1e22).loss[0], rel=1e-9)
    assert found.n_opt[0] < found.baseline.n[0]
    assert found.total_flops[0] < found.baseline_flops[0]


def test_attention_and_head_are_served_as_they_are_trained():
    cost = convention("with_attention", vocabulary=50257, sequence=2048, aspect_ratio=64)
    frontier = Frontier(BESIROGLU.law, BESIROGLU.values, cost)
    found = lifetime(frontier, 1e22, 1e12)
    spent = cost.per_token(found.n_opt) * (found.d_opt + 1e12 / 3)
    assert spent == pytest.approx([1e22], rel=1e-9)
    n = np.geomspace(found.n_opt[0] / 3, found.n_opt[0] * 3, 200_001)
    d = 1e22 / cost.per_token(n) - 1e12 / 3
    usable = d > 0
    losses = BESIROGLU.loss(n[usable][None], d[usable][None])[0]
    assert found.loss[0] == pytest.approx(losses.min(), rel=1e-9)


def test_the_misplaced_factor_of_sardanas_repository_is_not_ours():
    """Its chinchilla_compute_from_tokens gives (6 D G)^(1/b); right is 6 (D G)^(1/b)."""
    v = {name: value[0] for name, value in SARDANA.values.items()}
    total = v["alpha"] + v["beta"]
    g = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / total)
    b = v["alpha"] / total
    ours = compute_of_best_tokens(SARDANA, 1e12)[0]
    assert ours == pytest.approx(6 * (1e12 * g) ** (1 / b), rel=1e-12)
    assert SARDANA.at(ours).d[0] == pytest.approx(1e12, rel=1e-12)
    assert (6 * 1e12 * g) ** (1 / b) / ours == pytest.approx(6 ** (1 / b - 1), rel=1e-12)  # 4.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: equal_quality(BESIROGLU, 1e12), "one of the two"),
        (lambda: equal_quality(BESIROGLU, 1e12, compute=1e22, loss=2.0), "one of the two"),
        (lambda: equal_quality(BESIROGLU, 1e12, loss=1.8), "no compute reaches"),
        (lambda: equal_quality(BESIROGLU, -1, compute=1e22), "inference tokens"),
        (lambda: lifetime(BESIROGLU, 0, 1e12), "positive compute"),
        (lambda: lifetime(BESIROGLU, 1e22, float("inf")), "inference tokens"),
    ],
)
def test_nonsense_is_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        wrong()
