"""How often verdicts are wrong on simulated studies whose truth is known."""

from functools import partial
from math import inf

import numpy as np
import pytest

from allometry.claims import Exponents, NoEffect, Optimum, PowerLaw, Slope, Steeper, Straight
from allometry.tables.table import Table

TRUE = 0.4  # exponent


def power(x):
    return 5 * x**-TRUE


def study(law, rng, *, seeds=3, sizes=8, noise=0.002, tilt=0.0):
    """Runs whose seeds tilt their whole curves, with scatter of single runs; log axes."""
    x = 100 * 2.0 ** np.arange(sizes)
    seed, at = np.meshgrid(np.arange(seeds), x, indexing="ij")
    middle = np.log(x) - np.log(x).mean()
    y = np.log(law(at)) + noise * rng.normal(size=at.shape)
    y += tilt * rng.normal(size=(seeds, 1)) * middle
    return Table({"n": at.ravel(), "seed": seed.ravel(), "loss": np.exp(y).ravel()})


def findings(claim, trials, law=power, **how):
    runs = (study(law, np.random.default_rng([7, k]), **how) for k in range(trials))
    return [claim.judge_or_say(table).finding for table in runs]


def coverage(found, truth):
    return np.mean([f.low <= truth <= f.high for f in found])


# ---- intervals over few seeds ------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "tilt"), [(2, 0.015), (2, 0.1), (3, 0.03)])
def test_two_seeds_that_happen_to_be_alike_do_not_narrow_an_interval(seeds, tilt):
    """Satterthwaite's degrees of freedom alone hold the slope of two seeds in 88%."""
    claim = Slope("n", "loss", predicts=(-inf, 0))
    found = findings(claim, 200, seeds=seeds, tilt=tilt, noise=0.02)
    assert coverage(found, -TRUE) >= 0.92  # 0.95 less two errors


@pytest.mark.parametrize(("seeds", "tilt"), [(2, 0.1), (3, 0.03)])
def test_the_exponent_of_a_power_law_is_held_where_seeds_tilt(seeds, tilt):
    """A bootstrap of two or three seeds holds it in 61 and 84%."""
    claim = PowerLaw("n", "loss", predicts={"alpha": (0.1, 0.9)})
    found = findings(claim, 40, seeds=seeds, sizes=5, tilt=tilt, noise=0.02)
    assert coverage(found, TRUE) >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / 40)


# ---- the form of a law above a floor -----------------------------------------------------------


def bent(x, change=0.6):
    """Of exponent 0.4 on average, which changes by a part of itself from 100 to 12,800."""
    at, reach = np.log(x / 100), np.log(128)
    return np.exp(-TRUE * ((1 - change / 2) * at + change * at**2 / (2 * reach)))


@pytest.mark.parametrize("floor", [1.0, 10.0])
@pytest.mark.parametrize("how", ["given", "fitted"])
def test_a_bend_above_a_floor_is_not_hidden_by_the_floor(floor, how):
    """What changes by 60% is a part of y that may be small: y itself bends by a few percent."""
    claim = PowerLaw("n", "loss", floor=floor if how == "given" else "fitted")
    found = findings(claim, 3, law=lambda x: floor + 5 * bent(x), noise=0.0005)
    assert "agrees" not in [f.verdict for f in found]
    if how == "given":
        assert [f.measured for f in found] == pytest.approx([0.6] * 3, abs=0.06)


@pytest.mark.parametrize(("floor", "agrees"), [(0.5, 3), ("fitted", 0)])
def test_a_power_law_above_a_floor_is_not_rejected(floor, agrees):
    """A floor that is fitted can take the place of a bend, so it takes far more to agree."""
    found = findings(PowerLaw("n", "loss", floor=floor), 3, law=lambda x: 0.5 + power(x))
    assert "disagrees" not in [f.verdict for f in found]
    assert [f.verdict for f in found].count("agrees") >= agrees


def test_a_floor_above_the_runs_is_no_form_to_measure():
    (finding,) = findings(PowerLaw("n", "loss", floor=2.0), 1)
    assert finding.verdict == "undecided" and np.isnan(finding.measured)
    assert "bound active" in finding.answer


# ---- no effect, and one group against another --------------------------------------------------


def test_a_spike_that_a_line_does_not_see_is_an_effect():
    """One size of sixteen lies three margins off; the line through all changes by a tenth."""
    claim = NoEffect("n", "loss", margin=0.1, why="x")
    spike = lambda x: 1 + 0.3 * (x == 100 * 2.0**8)  # noqa: E731
    (finding,) = findings(claim, 1, law=spike, sizes=16)
    assert finding.verdict == "undecided" and "its means lie up to 0.3" in finding.answer
    (finding,) = findings(claim, 1, law=np.ones_like, sizes=16)
    assert finding.verdict == "agrees"


def test_slopes_that_are_the_same_are_not_one_steeper():
    """Noise-free groups differ by rounding, which is no difference."""
    claim = Steeper("n", "loss", group="d", steeper=1, than=2)
    one = study(power, np.random.default_rng(0), noise=0)
    for factor in (1.0, 3.0):
        both = {name: np.tile(one[name], 2) for name in one.columns}
        both["d"] = np.repeat([1, 2], len(one))
        both["loss"] = both["loss"] * np.where(both["d"] == 1, 1.0, factor)
        assert claim.judge(Table(both)).finding.verdict == "undecided"


@pytest.mark.parametrize("kind", ["steeper", "exponents"])
def test_each_group_needs_a_second_seed(kind):
    claim = {
        "steeper": Steeper("n", "loss", group="d", steeper=1, than=2),
        "exponents": Exponents("n", "loss", group="d", predicts=lambda d: 9.0, within=0.1),
    }[kind]
    runs = study(power, np.random.default_rng(0))
    two = Table({name: np.tile(runs[name], 2) for name in runs.columns})
    group = np.repeat([1, 2], len(runs))
    flatter = two["loss"] * np.where(group == 2, two["n"] ** 0.2, 1.0)
    whole = two.with_columns(d=group, loss=flatter)
    assert claim.judge(whole).finding.verdict != "undecided"
    poor = whole.take((whole["d"] == 1) | (whole["seed"] == 0))
    verdict = claim.judge(poor).finding.verdict
    assert verdict == ("undecided" if kind == "steeper" else "disagrees"), "of the first group"
    poor = whole.take(whole["seed"] == whole["d"] - 1)
    assert claim.judge(poor).finding.verdict == "undecided"


@pytest.mark.parametrize("way", ["missing", "nan", "negative"])
def test_a_control_takes_no_run_from_its_claim(way):
    runs = study(power, np.random.default_rng(0))
    values = {"missing": [None] * len(runs), "nan": np.nan, "negative": -1.0 - runs["n"]}[way]
    control = values if isinstance(values, list) else np.broadcast_to(values, len(runs))
    for claim in (Slope("n", "loss", predicts=(-inf, 0)), Straight("n", "loss")):
        alone = claim.judge(runs).finding
        beside = claim.judge(runs.with_columns(loss_untrained=control)).finding
        assert (beside.measured, beside.verdict) == (alone.measured, alone.verdict)


def test_runs_below_zero_are_not_left_out_of_a_logarithm():
    """The line through those above 0 is one through runs chosen by their y."""
    runs = study(lambda x: x**-1.0, np.random.default_rng(0))
    runs = runs.with_columns(loss=runs["loss"] - 0.001)
    logarithm = Slope("n", "loss", predicts=(-0.8, 0)).judge_or_say(runs).finding
    assert logarithm.verdict == "undecided" and "above 0 expected" in logarithm.answer
    assert Slope("n", "loss", predicts=(-0.8, 0), ylog=False).judge(runs).finding.measured < 0


# ---- optima ------------------------------------------------------------------------------------


def valleys(places, rates, seeds=3):
    """Runs of each width at its own rates, lowest at its place, which seeds move a little."""
    rows = []
    for k, (place, tried) in enumerate(zip(places, rates, strict=True)):
        for seed in range(seeds):
            best = place * np.exp(0.02 * np.random.default_rng([k, seed]).normal())
            rows += [
                dict(width=16 << k, rate=r, seed=seed, loss=1 + 0.1 * np.log(r / best) ** 2)
                for r in tried
            ]
    return Table.from_rows(rows)


FALLS = Optimum("rate", "loss", moves_with="width", predicts=(-inf, 0))


def test_the_lowest_of_the_rates_tried_at_its_own_width_is_no_optimum():
    """Rates tried ever lower, always too low: where each scan ends says nothing."""
    scans = [0.1 * 2.0 ** (-k - np.arange(5)) for k in range(5)]
    runs = valleys([1.0] * 5, scans)
    finding = FALLS.judge_or_say(runs).finding
    assert finding.verdict == "undecided" and "at 0 of 5 values" in finding.answer
    wide = valleys(0.1 * 2.0 ** -np.arange(5), [2.0 ** (-k - np.arange(8)) for k in range(5)])
    finding = FALLS.judge(wide).finding
    assert finding.verdict == "agrees" and finding.low <= -1 <= finding.high


def test_a_status_is_not_needed_and_a_run_counts_once():
    runs = valleys(0.1 * 2.0 ** -np.arange(5), [2.0 ** -np.arange(10.0)] * 5)
    assert FALLS.judge(runs).finding.verdict == "agrees"
    twice = runs.take(np.r_[np.arange(len(runs)), 0])
    assert "come twice" in FALLS.judge_or_say(twice).finding.answer
    zero = runs.with_columns(rate=runs["rate"] - runs["rate"].min())
    assert "rate above 0 expected" in FALLS.judge_or_say(zero).finding.answer


def test_noise_free_runs_at_a_bound_are_undecided():
    """y = x^2 has the exponent 2, which lies between 2 and 3 or between 1 and 2 by rounding."""
    square = partial(findings, trials=1, law=np.square, noise=0)
    for region in ((2, 3), (1, 2)):
        (finding,) = square(Slope("n", "loss", predicts=region))
        assert finding.verdict == "undecided"
    (finding,) = square(Slope("n", "loss", predicts=(1.9, 2.1)))
    assert finding.verdict == "agrees"
