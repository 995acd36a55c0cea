"""The study of path entropies along training: its forms, its verdicts, its runs."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from allometry.datasets.splits import Moons
from allometry.errors import DataError
from allometry.measures.paths import path_entropies_of
from allometry.models import MLP
from allometry.spec import RunSpec
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws
from allometry.stats.means import over_seeds
from allometry.studies.path_entropies.path_dynamics import STUDY, ShuffledMoons
from allometry.studies.path_entropies.trajectories import forms, one_line, trajectories
from allometry.tables.table import Table
from allometry.training.loop import train_pack
from allometry.training.packing.choose import make_packs

Array = NDArray[np.float64]
EPOCH = np.arange(0.0, 5001, 10)
LOG = np.log1p(EPOCH)
NAMES = ("signs", "hsie shape", "htse shape", "hsie weights", "htse weights", "mi")

# ---- forms -------------------------------------------------------------------------------

numbers = st.floats(-5, 5).filter(lambda a: abs(a) > 0.01)


@given(slope=numbers, level=st.floats(-5, 5))
def test_a_logarithm_is_found_to_be_one(slope: float, level: float) -> None:
    found = forms(EPOCH, slope * LOG + level)
    assert found.slope == pytest.approx(slope, rel=1e-6)
    assert found.r2_log == pytest.approx(1, abs=1e-9)
    assert found.bend == pytest.approx(0, abs=1e-3)
    assert found.r2_linear < 0.9


@given(slope=numbers, level=st.floats(-5, 5), p=st.floats(-1, 2))
@settings(deadline=None)
def test_the_exponent_between_logarithm_and_straight_line_is_recovered(
    slope: float, level: float, p: float
) -> None:
    course = np.expm1(p * LOG) / p if abs(p) > 1e-9 else LOG
    assert forms(EPOCH, slope * course + level).bend == pytest.approx(p, abs=1e-3)


def test_a_straight_line_and_a_power_are_told_from_a_logarithm() -> None:
    line, power = forms(EPOCH, 3 - 0.1 * EPOCH), forms(EPOCH, 2 * (EPOCH + 1) ** 0.7)
    assert (line.bend, line.r2_linear) == pytest.approx((1, 1), abs=1e-3)
    assert line.r2_log < 0.9
    assert power.r2_power == pytest.approx(1, abs=1e-6)
    assert power.r2_power > power.r2_linear > power.r2_log


@pytest.mark.parametrize("y", [np.full(501, 2.0), np.arange(9.0)], ids=["constant", "nine points"])
def test_nothing_is_made_of_too_little(y: Array) -> None:
    assert np.isnan(forms(EPOCH[: len(y)], y)).all()


def test_aic_ranks_the_forms_as_r2_does() -> None:
    # n ln(RSS / n) + 2 k with k = 2 for each: a falling function of R^2.
    y = LOG + 0.3 * np.sin(EPOCH)
    total, found = ((y - y.mean()) ** 2).sum(), forms(EPOCH, y)
    r2 = [found.r2_log, found.r2_linear, found.r2_power]
    aic = [len(y) * np.log((1 - r) * total / len(y)) + 4 for r in r2]
    assert np.argsort(aic).tolist() == np.argsort(r2)[::-1].tolist()


# ---- means over seeds --------------------------------------------------------------------


def test_intervals_are_students_and_r2_stays_within_one() -> None:
    values = [1.0, 2.0, 4.0]
    r2 = [0.9, 0.99, 0.1]
    by = over_seeds([{"x": v, "x_r2_log": r} for v, r in zip(values, r2, strict=True)])
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert tuple(by["x"]) == pytest.approx((np.mean(values), low, high))
    assert by["x_r2_log"].value == pytest.approx(1 - (0.1 * 0.01 * 0.9) ** (1 / 3))
    assert 0 <= by["x_r2_log"].low <= by["x_r2_log"].value <= by["x_r2_log"].high < 1


def test_one_run_gives_no_interval() -> None:
    [value, low, high] = over_seeds([{"x": 3.0}])["x"]
    assert value == 3
    assert np.isnan([low, high]).all()


# ---- verdicts on courses made by hand ----------------------------------------------------

Make = Callable[[np.random.Generator], Array]


def table(
    htse: Make, hsie: Make, *, weights: Make | None = None, seeds: int = 5, control: bool = True
) -> Table:
    """Runs whose courses are known; those on shuffled labels do not move at all but for noise."""
    rows, along = [], {}
    for shuffled in (False, True)[: 1 + control]:
        for seed in range(seeds):
            random, name = np.random.default_rng(seed), f"{seed}{'s' if shuffled else 't'}"
            noise = {n: random.normal(scale=1e-5, size=len(EPOCH)) for n in ("a", "b", "c")}
            along[name] = {
                "epoch": EPOCH,
                "htse": 0.54 + noise["a"] if shuffled else htse(random),
                "hsie": 2.6 + noise["b"] if shuffled else hsie(random),
                "weight_norm2": 1 + np.cumsum(np.abs(noise["c"]))
                if weights is None
                else weights(random),
                "information_input": 2 - 0.1 * LOG + random.normal(scale=0.01),
                "information_label": 0.5 + 0 * EPOCH,
                "train_loss": np.exp(-LOG),
                "train_accuracy": 1 - 0.5 * np.exp(-LOG),
            }
            rows.append({
                "run_id": name, "seed": seed, "status": "done",
                "wrong_labels": 0.5 if shuffled else 0.0,
            })  # fmt: skip
    made = Table.from_rows(rows)
    return Table({name: made[name] for name in made.columns}, along)


def rising(random: np.random.Generator) -> Array:
    return 0.54 + random.uniform(0.9e-3, 1.1e-3) * LOG + random.normal(scale=1e-5, size=len(EPOCH))


def falling(random: np.random.Generator) -> Array:
    return 2.7 - random.uniform(0.9e-2, 1.1e-2) * LOG + random.normal(scale=1e-4, size=len(EPOCH))


def verdicts(made: Table) -> Mapping[str, str]:
    found = STUDY.analysis(made).findings
    assert len(found) == len(NAMES)
    return dict(zip(NAMES, (finding.verdict for finding in found), strict=True))


def test_courses_as_the_source_says_agree() -> None:
    got = verdicts(table(rising, falling))
    assert {got[name] for name in NAMES[:3]} == {"agrees"}
    assert got["mi"] == "agrees"


def test_straight_lines_are_no_logarithms_but_have_the_right_sign() -> None:
    got = verdicts(table(lambda r: 0.54 + 1e-6 * EPOCH * r.uniform(0.9, 1.1),
                         lambda r: 2.7 - 1e-5 * EPOCH * r.uniform(0.9, 1.1)))  # fmt: skip
    assert got["hsie shape"] == got["htse shape"] == "disagrees"
    assert got["signs"] == "agrees"


def test_the_wrong_sign_disagrees() -> None:
    got = verdicts(table(lambda r: falling(r) / 5, lambda r: rising(r) * 5))
    assert got["signs"] == "disagrees"


def test_entropies_that_follow_the_weights_say_no_more_than_they_do() -> None:
    weights = 3 + 10 * LOG
    got = verdicts(table(lambda r: 0.5 + 1e-4 * weights + r.normal(scale=1e-6, size=501),
                         lambda r: 2.7 - 1e-3 * weights + r.normal(scale=1e-5, size=501),
                         weights=lambda r: weights))  # fmt: skip
    assert got["hsie weights"] == got["htse weights"] == "disagrees"


def test_slopes_that_differ_between_seeds_say_more_than_the_weights() -> None:
    """Within one run the weights give the entropies exactly; which line it is the seed decides."""
    weights = 3 + 10 * LOG
    made = table(lambda r: 0.5 + r.uniform(0.5, 1.5) * 1e-4 * weights,
                 lambda r: 2.7 - r.uniform(0.5, 1.5) * 1e-3 * weights,
                 weights=lambda r: weights)  # fmt: skip
    runs = STUDY.analysis(made).numbers["run_statistics"]
    assert min(run["htse_r2_weights"] for run in runs) > 0.999
    got = verdicts(made)
    assert got["hsie weights"] == got["htse weights"] == "agrees"


def test_one_line_through_all_runs_has_the_r2_of_scipy_and_one_run_no_interval() -> None:
    random = np.random.default_rng(0)
    runs = [{"x": LOG, "y": slope * LOG + random.normal(size=501)} for slope in (1.0, 1.2, 1.4)]
    x, y = (np.concatenate([run[name] for run in runs]) for name in ("x", "y"))
    found = one_line(runs, "x", "y")
    assert found.value == pytest.approx(stats.linregress(x, y).rvalue ** 2)
    assert 0 <= found.low < found.value < found.high < 1
    assert not one_line(runs[:1], "x", "y").has_ends


def test_entropies_that_do_not_follow_the_weights_say_more() -> None:
    got = verdicts(table(rising, falling, weights=lambda r: r.normal(size=501)))
    assert got["hsie weights"] == got["htse weights"] == "agrees"


def test_one_seed_decides_nothing() -> None:
    assert set(verdicts(table(rising, falling, seeds=1)).values()) == {"undecided"}


def test_a_study_without_its_control_says_so() -> None:
    found = STUDY.analysis(table(rising, falling, control=False)).findings
    assert all("not run" in finding.control for finding in found)


def test_a_form_that_depends_on_the_points_taken_is_open() -> None:
    """The source does not say which points are meant: early ones that turn a verdict decide none.

    A logarithm but for the first 150 epochs, which are few points of all and many in log time.
    """

    def late(random: np.random.Generator) -> Array:
        return falling(random) + 0.02 * np.maximum(0, np.log(150) - LOG)

    found = STUDY.analysis(table(rising, late))
    bends = found.numbers["intervals"]
    assert bends["hsie_bend"].high < -0.1 < bends["hsie_bend_late"].low
    assert found.findings[1].verdict == "undecided"
    assert found.findings[2].verdict == "agrees"


def test_diverged_runs_are_left_out() -> None:
    made = table(rising, falling)
    broken = made.with_columns(status=["diverged", *["done"] * (len(made) - 1)])
    assert len(trajectories(made, shuffled=False)) == 5
    assert len(trajectories(broken, shuffled=False)) == 4
    with pytest.raises(DataError, match="no finished run on the true labels"):
        STUDY.analysis(made.with_columns(status=["diverged"] * len(made)))


def test_a_table_without_trajectories_is_refused() -> None:
    made = table(rising, falling)
    with pytest.raises(DataError, match="5 runs come without trajectories"):
        STUDY.analysis(Table({name: made[name] for name in made.columns}))


def test_runs_measured_at_other_epochs_are_not_averaged() -> None:
    made = table(rising, falling)
    first = {name: values[:100] for name, values in made.trajectories["0t"].items()}
    mixed = Table({n: made[n] for n in made.columns}, {**made.trajectories, "0t": first})
    with pytest.raises(DataError, match="measured at the same epochs"):
        STUDY.analysis(mixed)


def test_fits_are_the_demos_two() -> None:
    fits = STUDY.analysis(table(rising, falling)).fits
    b = [fit.parameters["b"].value for fit in fits.values()]
    assert b == pytest.approx([-1e-3, 1e-2], rel=0.06)


@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize("figure", STUDY.figures, ids=lambda f: f.__name__)
def test_figures_are_drawn_with_their_finding_on_top(
    figure: Callable[..., Figure], control: bool
) -> None:
    made = table(rising, falling, control=control)
    drawn = figure(made, STUDY.analysis(made))
    assert drawn.get_suptitle()
    assert all(ax.lines and ax.get_ylabel() for ax in drawn.axes)
    assert figure.__doc__ is not None
    assert figure.__doc__.partition("\n\n")[0].strip().endswith(".")


# ---- runs --------------------------------------------------------------------------------


def test_the_notebook_size_is_the_demos_workload() -> None:
    specs = STUDY.specs("notebook")
    assert sorted({spec.seed for spec in specs}) == [42, 43, 44, 45, 46]
    assert len(specs) == 10
    for spec in specs:
        assert spec.model == MLP(widths=(2, 10, 7, 2), activation="tanh")
        assert isinstance(spec.data, Moons)
        assert (spec.data.n_samples, spec.data.noise, spec.data.random_state) == (2000, 0.1, 42)
        assert (spec.train.epochs, spec.train.batch_size) == (5000, 128)
        assert spec.train.measure_every == 10
        assert spec.train.optimizer == SGD(learning_rate=0.05)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_shuffled_labels_are_the_same_labels_on_other_points(seed: int) -> None:
    true, shuffled = TorchDraws(seed), TorchDraws(seed)
    one, two = Moons().load(true), ShuffledMoons().load(shuffled)
    assert (one.train_x == two.train_x).all()
    assert np.bincount(one.train_y).tolist() == np.bincount(two.train_y).tolist()
    # Half of 2,000 by chance, with a standard deviation of about 22.
    assert abs((one.train_y != two.train_y).sum() - 1000) < 130
    # The stream is where it was: both runs start from the same weights.
    model = MLP(widths=(2, 10, 7, 2), activation="tanh")
    starts = model.init(true), model.init(shuffled)
    assert all((starts[0][n] == starts[1][n]).all() for n in starts[0])


def test_a_short_training_gives_what_the_analysis_reads() -> None:
    specs: list[RunSpec] = STUDY.specs("quick", seeds=2, changes={"train.epochs": "30"})
    results = [
        result
        for pack in make_packs(specs)
        for result in train_pack(pack, STUDY.measures, STUDY.trajectory)
    ]
    rows = [
        {"run_id": r.spec.run_id, "seed": r.spec.seed, "status": r.status, **r.row} for r in results
    ]
    made = Table.from_rows(rows)
    along = {r.spec.run_id: r.trajectories for r in results}
    made = Table({name: made[name] for name in made.columns}, along)
    true, shuffled = trajectories(made, shuffled=False), trajectories(made, shuffled=True)
    assert len(true) == len(shuffled) == 2
    for one, two in zip(true, shuffled, strict=True):
        assert one["epoch"].tolist() == two["epoch"].tolist() == [0, 10, 20, 30]
        assert one["train_loss"][-1] < 0.5 < np.log(2) - 0.05 < two["train_loss"][-1]
        for name in ("htse", "hsie", "weight_norm2"):
            assert one[name][0] == two[name][0]
            assert np.ptp(one[name]) > np.ptp(two[name])
    draws = TorchDraws(42)
    model = MLP(widths=(2, 10, 7, 2), activation="tanh")
    start = path_entropies_of(model.weights(model.init(draws)), 42)
    # Seventeen hidden units are fewer than the sample: all are taken; 1e-9 hardly matters.
    assert true[0]["htse"][0] == pytest.approx(start["htse_all"], rel=1e-7)
    assert true[0]["hsie"][0] == pytest.approx(start["hsie_all"], rel=1e-7)
    # Four points are too few for any form: nothing about shape is claimed.
    assert {f.verdict for f in STUDY.analysis(made).findings[1:3]} == {"undecided"}


def test_every_finding_names_a_figure_of_the_study() -> None:
    names = {figure.__name__ for figure in STUDY.figures}
    assert {f.figure for f in STUDY.analysis(table(rising, falling)).findings} == names
