"""Two recipes in compute at equal loss: a known speedup is found, with its interval."""

import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.fitting.fit import fit
from allometry.plan.beyond.recipes import pinned_speedup, speedup
from allometry.tables.table import Table

TRUE = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
COLUMNS = {"N": "n", "D": "d", "L": "loss"}


def table(data_worth=1.0, noise=0.0, seed=0):
    """Runs of a recipe in which a token is worth so many of the first recipe's."""
    rng = np.random.default_rng(seed)
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 6)))
    loss = TRUE["E"] + TRUE["A"] * n ** -TRUE["alpha"]
    loss = loss + TRUE["B"] * (data_worth * d) ** -TRUE["beta"]
    return Table({"n": n, "d": d, "loss": loss * np.exp(noise * rng.standard_normal(len(n)))})


def chinchilla(runs, resamples=0):
    return fit(runs, "chinchilla", COLUMNS, objective="squared_log", starts=8, resamples=resamples)


@pytest.fixture(scope="module")
def exact():
    return chinchilla(table()), chinchilla(table(1.5))


@pytest.mark.parametrize("at", [{"compute": 1e21}, {"compute": 1e24}, {"loss": 2.1}])
def test_a_token_worth_half_as_much_again_saves_a_third_of_compute(exact, at):
    """With D' = 1.5 D the same loss takes 6 N D / 1.5, at every loss."""
    found = speedup(*exact, **at)
    assert found.value.value == pytest.approx(1.5, rel=1e-4)
    assert not found.value.has_ends
    back = speedup(*reversed(exact), **at)
    assert back.value.value == pytest.approx(1 / 1.5, rel=1e-4)
    assert found.compute[0] / found.compute[1] == pytest.approx(found.value.value)


def test_the_interval_covers_the_known_speedup_and_narrows_with_noise():
    widths = []
    for noise in (0.001, 0.004):
        fits = [chinchilla(table(w, noise, seed), 200) for seed, w in enumerate((1.0, 1.5))]
        found = speedup(*fits, compute=1e21)
        assert found.value.low < 1.5 < found.value.high
        assert len(found.draws) == 200
        widths.append(found.value.high - found.value.low)
    assert widths[0] < widths[1]


def test_a_recipe_beside_itself_is_not_faster():
    fits = [chinchilla(table(1.0, 0.002, seed), 200) for seed in (3, 4)]
    found = speedup(*fits, compute=1e20)
    assert found.value.low < 1 < found.value.high
    assert 0.025 < found.faster < 0.975


def test_the_pinned_asymptote_is_the_special_case():
    """L = L_inf + A C^-alpha with one floor and exponent: A_1 / A_2 to the power 1/alpha."""
    compute = np.geomspace(1e18, 1e21, 8)
    fits = [
        fit(Table({"c": compute, "loss": 1.6 + a * compute**-0.1}), "power_floor",
            {"x": "c", "y": "loss"}, fixed={"E": 1.6, "alpha": 0.1}, resamples=0)
        for a in (95.18, 88.32)
    ]  # fmt: skip
    known = (95.18 / 88.32) ** 10
    for at in ({"compute": 1e19}, {"compute": 1e23}, {"loss": 2.0}):
        assert speedup(*fits, **at).value.value == pytest.approx(known, rel=1e-6)
    losses = [1.6 + a * 1e20**-0.1 for a in (95.18, 88.32)]
    assert pinned_speedup(*losses, 1.6, 0.1) == pytest.approx(known, rel=1e-9)
    draws = pinned_speedup(np.array([2.5, 2.4]), 2.3, 1.6, 0.1)
    assert draws.shape == (2,)


def test_what_cannot_be_compared_is_refused(exact):
    with pytest.raises(UsageError, match="one of the two"):
        speedup(*exact)
    with pytest.raises(UsageError, match="not reached under the law of at least one"):
        speedup(*exact, loss=1.5)
    with pytest.raises(UsageError, match="above the floor"):
        pinned_speedup(1.5, 1.7, 1.6, 0.1)
    with pytest.raises(UsageError, match="exponent"):
        pinned_speedup(1.8, 1.7, 1.6, -0.1)
