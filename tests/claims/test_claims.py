"""Claims on runs whose answer is known: what holds agrees, what does not disagrees."""

import numpy as np
import pytest

from allometry import claims
from allometry.claims import (
    Claim,
    Equals,
    Exponents,
    NoEffect,
    Optimum,
    PowerLaw,
    Slope,
    Steeper,
    Straight,
)
from allometry.errors import UsageError
from allometry.tables.table import Table

SIZES = np.array([100, 200, 400, 800, 1600, 3200, 6400, 12800], float)


def table(y, *, x=SIZES, seeds=3, noise=0.01, rng=0, **columns):
    """Runs at every x and seed; y is a function of x, multiplied by lognormal scatter."""
    at, seed = (a.ravel() for a in np.meshgrid(x, np.arange(seeds)))
    scatter = np.exp(noise * np.random.default_rng(rng).normal(size=len(at)))
    rows = {"n": at, "seed": seed, "loss": y(at) * scatter, "status": ["done"] * len(at)}
    return Table({**rows, **{name: column(at) for name, column in columns.items()}})


def power(x):
    return 5 * x**-0.4


def closed_form(x):
    """A logarithm's root: straight on no axes of a power law."""
    return np.sqrt(np.log(x) - 4.5)


def verdict(claim, runs):
    return claim.judge(runs).finding.verdict


# ---- power laws --------------------------------------------------------------------------------


def test_an_exponent_is_recovered_and_judged():
    claim = PowerLaw("n", "loss", predicts={"alpha": (0.35, 0.45)})
    finding = claim.judge(table(power)).finding
    assert finding.verdict == "agrees"
    assert finding.low <= 0.4 <= finding.high and finding.measured == pytest.approx(0.4, abs=0.01)
    assert (
        verdict(PowerLaw("n", "loss", predicts={"alpha": (0.5, 0.6)}), table(power)) == "disagrees"
    )
    assert (
        verdict(PowerLaw("n", "loss", predicts={"alpha": (0.4, 0.6)}), table(power)) == "undecided"
    )


def test_a_curve_that_bends_is_no_power_law_whatever_its_r2():
    finding = PowerLaw("n", "loss").judge(table(closed_form, noise=0.002)).finding
    assert finding.verdict == "disagrees" and finding.high < -0.2
    claim = PowerLaw("n", "loss", predicts={"alpha": (-10, 10)})
    assert verdict(claim, table(closed_form, noise=0.002)) == "disagrees", "form before exponent"
    assert verdict(PowerLaw("n", "loss"), table(power)) == "agrees"


def test_a_floor_is_fitted_or_given():
    def above_a_floor(x):
        return 0.5 + power(x)

    runs = table(above_a_floor, noise=0.001)
    assert verdict(PowerLaw("n", "loss"), runs) == "disagrees"
    for floor in ("fitted", 0.5):
        finding = PowerLaw("n", "loss", floor=floor, predicts={"alpha": (0.3, 0.5)}).judge(runs)
        assert finding.finding.verdict == "agrees"
        assert finding.fits[finding.finding.claim].values["alpha"] == pytest.approx(0.4, abs=0.02)


def test_the_untrained_column_is_the_control():
    runs = table(power, loss_untrained=lambda x: 2.3 + 0 * x)
    assert "the same at all sizes" in PowerLaw("n", "loss").judge(runs).finding.control
    runs = table(power, other=power)
    assert "0.4" in PowerLaw("n", "loss", control="other").judge(runs).finding.control
    with pytest.raises(UsageError, match="no control column 'missing'"):
        PowerLaw("n", "loss", control="missing").judge(runs)


# ---- lines -------------------------------------------------------------------------------------


def test_slopes_lie_in_regions():
    runs = table(power)
    assert verdict(Slope("n", "loss", predicts=(-np.inf, 0)), runs) == "agrees"
    assert verdict(Slope("n", "loss", predicts=(0, np.inf)), runs) == "disagrees"
    assert verdict(Slope("n", "loss", predicts=(-0.4, 0)), runs) == "undecided"


def test_straight_on_its_axes_alone():
    def logarithm(x):
        return 10 + 2 * np.log10(x)

    runs = table(logarithm, noise=0.001)
    assert verdict(Straight("n", "loss", ylog=False), runs) == "agrees"
    assert verdict(Straight("n", "loss", xlog=False, ylog=False), runs) == "disagrees"
    assert verdict(Straight("n", "loss", ylog=False), runs.where(n=100)) == "undecided"


def test_one_group_is_steeper():
    both = [table(power), table(lambda x: 5 * x**-0.3, rng=1)]
    columns = {name: np.concatenate([t[name] for t in both]) for name in both[0].columns}
    runs = Table({**columns, "width": np.repeat([64, 16], [len(t) for t in both])})
    claim = Steeper("n", "loss", group="width", steeper=64, than=16)
    assert verdict(claim, runs) == "agrees"
    assert verdict(Steeper("n", "loss", group="width", steeper=16, than=64), runs) == "disagrees"
    other = Steeper("n", "loss", group="width", steeper=32, than=64)
    finding = other.judge_or_say(runs).finding
    assert finding.verdict == "undecided" and "width 32 and 64 expected" in finding.answer


def test_no_effect_needs_an_interval_within_the_margin():
    runs = table(lambda x: 1 + 0 * x, noise=0.02)
    why = "a tenth of what a decade of N is worth"
    assert verdict(NoEffect("n", "loss", margin=0.2, why=why), runs) == "agrees"
    assert verdict(NoEffect("n", "loss", margin=0.001, why=why), runs) == "undecided"
    assert verdict(NoEffect("n", "loss", margin=0.01, why=why), table(power)) == "disagrees"
    with pytest.raises(UsageError, match="margin"):
        NoEffect("n", "loss", margin=0.2)


def test_one_seed_gives_no_verdict():
    runs = table(power, seeds=1)
    for claim in (
        PowerLaw("n", "loss"),
        Slope("n", "loss", predicts=(-np.inf, 0)),
        Straight("n", "loss"),
        NoEffect("n", "loss", margin=100, why="x"),
    ):
        finding = claim.judge(runs).finding
        assert finding.verdict == "undecided" and "one seed" in finding.answer


def test_intervals_of_slopes_cover_what_they_should():
    """95% intervals of five sizes and three seeds; each seed shifts and tilts its own curve."""
    true, hits, trials = -0.4, 0, 300
    for k in range(trials):
        rng = np.random.default_rng(k)
        x = SIZES[:5]
        tilt = rng.normal(0, 0.02, 3)[:, None] * (np.log(x) - np.log(x).mean())
        y = np.log(power(x)) + tilt + rng.normal(0, 0.05, (3, 1)) + rng.normal(0, 0.02, (3, 5))
        at, seed = (a.ravel() for a in np.meshgrid(x, np.arange(3)))
        runs = Table({"n": at, "seed": seed, "loss": np.exp(y).ravel()})
        finding = Slope("n", "loss", predicts=(-1, 0)).judge(runs).finding
        hits += finding.low <= true <= finding.high
    assert hits / trials >= 0.93


# ---- optima and printed numbers ----------------------------------------------------------------


def valley(exponent, seeds=3, lost=False):
    """Losses over learning rates, lowest at width^exponent."""
    rates, rows = np.geomspace(1e-4, 1, 13), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for width in (16, 32, 64, 128, 256):
            best = 0.3 * (width / 16) ** exponent * np.exp(0.05 * rng.normal())
            for rate in rates:
                diverged = lost and rate > 20 * best
                loss = np.nan if diverged else 1 + 0.1 * np.log(rate / best) ** 2
                status = "diverged" if diverged else "done"
                rows.append(dict(width=width, rate=rate, seed=seed, loss=loss, status=status))
    return Table.from_rows(rows)


@pytest.mark.parametrize("lost", [False, True])
def test_where_the_best_rate_is_and_how_it_moves(lost):
    falls = Optimum("rate", "loss", moves_with="width", predicts=(-np.inf, 0))
    stays = Optimum("rate", "loss", moves_with="width", stays=0.2)
    finding = falls.judge(valley(-0.7, lost=lost)).finding
    assert finding.low <= -0.7 <= finding.high and finding.verdict == "agrees"
    assert verdict(stays, valley(-0.7, lost=lost)) == "disagrees"
    assert verdict(stays, valley(0.0, lost=lost)) == "agrees"


def test_printed_numbers_have_a_tolerance_and_no_interval():
    runs = table(power, seeds=1, noise=0)
    printed = {x: round(power(x), 3) for x in SIZES}
    finding = Equals("n", "loss", printed=printed, tolerance=5e-4).judge(runs).finding
    assert finding.verdict == "agrees" and np.isnan([finding.low, finding.high]).all()
    assert "8 of 8" in finding.answer
    other = {**printed, 100.0: 9.0}
    assert verdict(Equals("n", "loss", printed=other, tolerance=5e-4), runs) == "disagrees"
    more = {**printed, 7.0: 9.0}
    assert verdict(Equals("n", "loss", printed=more, tolerance=5e-4), runs) == "undecided"


# ---- exponents of groups ----------------------------------------------------------------------


def grouped(exponents, noise=0.01):
    """Runs of a power law for each value of d: its exponent, or a function of x."""
    tables = []
    for d, alpha in exponents.items():
        law = alpha if callable(alpha) else lambda x, a=alpha: 5 * x**-a
        tables.append(table(law, noise=noise, rng=int(d), d=lambda at, d=d: np.full(len(at), d)))
    names = tables[0].columns
    return Table({name: np.concatenate([t[name] for t in tables]) for name in names})


def four_over_d(within=0.1):
    return Exponents("n", "loss", group="d", predicts=lambda d: 4 / d, within=within)


def test_each_group_has_the_exponent_predicted_for_it():
    finding = four_over_d().judge(grouped({8: 0.5, 16: 0.25})).finding
    assert finding.verdict == "agrees" and 0.9 < finding.low < finding.high < 1.1
    finding = four_over_d().judge(grouped({8: 0.5, 16: 0.4})).finding
    assert finding.verdict == "disagrees" and finding.measured == pytest.approx(1.6, abs=0.05)
    assert "d 16" in finding.unit and "0.25 is predicted" in finding.answer


def test_a_group_that_is_no_power_law_has_no_exponent_to_agree():
    groups = {8: 0.5, 16: closed_form}
    wide = Exponents("n", "loss", group="d", predicts=lambda d: 4 / d, within=1000)
    finding = wide.judge(grouped(groups, noise=0.002)).finding
    assert finding.verdict == "disagrees" and "not a power law" in finding.answer


# ---- what cannot be judged is refused before anything trains -------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slope("n", "loss"), "predicts"),
        (lambda: Slope("n", "loss", predicts=(1, 0)), "predicts"),
        (lambda: Straight("n", "loss", margin=0), "margin above 0"),
        (lambda: Steeper("n", "loss"), "group=COLUMN"),
        (lambda: Steeper("n", "loss", group="d", steeper=1, than=1), "two of its values"),
        (lambda: Steeper("n", "loss", group="d", steeper=1), "two of its values"),
        (lambda: NoEffect("n", "loss"), "margin above 0"),
        (lambda: Optimum("rate", "loss"), "moves_with"),
        (lambda: Optimum("rate", "loss", moves_with="n"), "predicts"),
        (lambda: Optimum("rate", "loss", moves_with="n", stays=-1), "predicts"),
        (lambda: Optimum("rate", "loss", moves_with="n", stays=1, predicts=(0, 1)), "one of the"),
        (lambda: PowerLaw("n", "loss", predicts=(0.5, 1)), "'alpha': .low, high"),
        (lambda: PowerLaw("n", "loss", words="rate"), "words="),
        (lambda: PowerLaw("n", "loss", where=lambda table: table), "conditions"),
        (lambda: PowerLaw("n", "loss", floor="fit"), "'fitted'"),
        (lambda: PowerLaw("n", "loss", floor=-1.0), "'fitted'"),
        (lambda: PowerLaw("n", "loss", floor=np.nan), "'fitted'"),
        (lambda: PowerLaw("n", "loss", floor=None), "'fitted'"),
        (lambda: Slope("n", "loss", predicts=("a", "b")), "predicts"),
        (lambda: Straight("n", "loss", margin="wide"), "margin above 0"),
        (lambda: Equals("n", "loss", printed={1.0: np.nan}, tolerance=1), "printed="),
        (lambda: Equals("n", "loss", printed={"a": 1.0}, tolerance=1), "printed="),
        (lambda: Optimum("rate", "loss", moves_with="n", stays="yes"), "stays"),
        (lambda: PowerLaw("n", "loss", bend=0), "bend above 0"),
        (lambda: PowerLaw("n", "loss", predicts={"beta": (0, 1)}), "alpha, A"),
        (lambda: PowerLaw("n", "loss", predicts={"E": (0, 1)}), "where it is fitted"),
        (lambda: PowerLaw("n", "loss", predicts={"alpha": (1, 0)}), "alpha of loss"),
        (lambda: Exponents("n", "loss", group="d"), "predicts=a function"),
        (lambda: Equals("n", "loss"), "printed="),
        (lambda: Straight("n", "loss", where=["n"]), "COLUMN<=VALUE"),
    ],
)
def test_a_claim_without_a_prediction_is_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_one_condition_needs_no_list():
    runs = table(power)
    one = Slope("n", "loss", predicts=(-1, 0), where="n<=1600").judge(runs).finding
    assert one == Slope("n", "loss", predicts=(-1, 0), where=["n<=1600"]).judge(runs).finding
    assert "5 sizes" in one.answer and one.claim.endswith("(n<=1600)")


def test_exponents_may_be_given_by_a_dict():
    groups = grouped({8: 0.5, 16: 0.25})
    listed = Exponents("n", "loss", group="d", predicts={8: 0.5, 16: 0.25}, within=0.1)
    assert listed.judge(groups).finding.verdict == "agrees"
    lacking = Exponents("n", "loss", group="d", predicts={8: 0.5}, within=0.1)
    with pytest.raises(UsageError, match=r"predicts\(16\)"):
        lacking.judge(groups)


def test_a_misspelt_column_is_guessed():
    with pytest.raises(UsageError, match="did you mean 'loss'"):
        Slope("n", "los", predicts=(-1, 0)).judge(table(power))


# ---- all claims --------------------------------------------------------------------------------

EVERY = [
    (PowerLaw("n", "loss"), table(power)),
    (PowerLaw("n", "loss", floor="fitted"), table(lambda x: 1 + power(x))),
    (Slope("n", "loss", predicts=(-1, 0)), table(power)),
    (Straight("n", "loss"), table(power)),
    (NoEffect("n", "loss", margin=1, why="x"), table(power)),
    (Steeper("n", "loss", group="seed", steeper=1, than=0), table(power)),
    (Optimum("rate", "loss", moves_with="width", predicts=(-1, 0)), valley(-0.7)),
    (Equals("n", "loss", printed={100.0: 0.8}, tolerance=0.1), table(power)),
    (four_over_d(), grouped({8: 0.5, 16: 0.25})),
]
NAMES = [f"{claim.kind} {k}" for k, (claim, _) in enumerate(EVERY)]


def test_every_kind_of_claim_is_here():
    kinds = {
        kind
        for kind in vars(claims).values()
        if isinstance(kind, type) and issubclass(kind, Claim) and kind is not Claim
    }
    assert {type(claim) for claim, _ in EVERY} == kinds


@pytest.mark.parametrize(("claim", "runs"), EVERY, ids=NAMES)
def test_every_claim_says_what_it_is_and_draws_itself(claim, runs):
    judgement = claim.judge(runs)
    finding = judgement.finding
    assert finding.claim and finding.prediction and finding.answer.endswith(".")
    assert ".." not in finding.answer and finding.source == "ours"
    assert finding.verdict in ("agrees", "disagrees", "undecided")
    figure = judgement.figure.draw()
    assert figure.axes and judgement.figure.caption


@pytest.mark.parametrize(("claim", "runs"), EVERY, ids=NAMES)
def test_every_claim_names_missing_columns_and_says_where_there_are_no_runs(claim, runs):
    with pytest.raises(UsageError, match="no column"):
        claim.judge(runs.without(claim.y))
    none = claim.judge_or_say(runs.where(seed=99)).finding
    assert none.verdict == "undecided" and "no finished runs" in none.answer


def test_rounding_turns_no_verdict():
    """Runs whose numbers differ in the last digits have the same verdicts."""
    for claim, runs in EVERY:
        again = runs.with_columns(**{claim.y: runs[claim.y] * (1 + 1e-7)})
        assert verdict(claim, again) == verdict(claim, runs)
