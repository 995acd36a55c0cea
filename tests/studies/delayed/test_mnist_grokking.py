"""The study of grokking on MNIST: its verdicts on courses made by hand, its runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from allometry.datasets.splits import ImageSubset
from allometry.errors import DataError
from allometry.models import MLP
from allometry.spec import RunSpec
from allometry.spec.losses import SquaredError
from allometry.studies.delayed.mnist_grokking import LARGE, OWN, STUDY
from allometry.tables.table import Table
from allometry.training.packing.choose import make_packs

NAMES = ("late", "needs decay", "inverse", "own decay", "one norm")
DECAYS = (0.03, 0.1, 0.3, 1.0)
Time = Callable[[float, int], float]


def inverse(decay: float, seed: int) -> float:
    return (740 + 10 * seed) / decay


def table(
    time: Time = inverse,
    norm: Callable[[float], float] = lambda decay: 50.0,
    *,
    decays: Sequence[float] = DECAYS,
    seeds: int = 3,
    own: float = 75_000,
    without: float = 0.2,
    control: bool = True,
) -> Table:
    """Runs that know their training set after 500 updates and generalise at a time that is known.

    Args:
        time: of weight decay and seed, 60% of the test set. norm: then, of weight decay.
        own: that time at the source's own decay. without: accuracy in the end without decay.
    """
    rows: list[dict[str, Any]] = []
    along = {}

    def add(seed: int, scale: float, decay: float, t_test: float, steps: float) -> None:
        step, name = np.linspace(0, steps, 101), f"{len(rows)}"
        moment = np.clip(np.log1p(step) / np.log1p(t_test), 0, 1.4) if t_test else 1 + 0 * step
        weights = norm(decay) ** (step / t_test) * 106 ** (1 - step / t_test) if t_test else 10
        along[name] = {
            "epoch": step / 5,
            "train_accuracy": np.where(step < 500, step / 500 * 0.9, 1.0),
            "test_accuracy": 0.6 * moment if t_test < 1e9 else np.full(101, without),
            "weight_norm": weights + 0 * step,
        }
        rows.append({
            "run_id": name, "seed": seed, "status": "done", "steps": int(steps),
            "epochs": int(steps) // 5, "init_scale": scale, "weight_decay": decay,
        })  # fmt: skip

    for seed in range(seeds):
        add(seed, LARGE, 0.0, 1e12, 20_000)
        for decay in decays:
            add(seed, LARGE, decay, time(decay, seed), 1.5 * time(decay, seed))
        if control:
            add(seed, 1.0, 0.1, 0.0, 20_000)
    if own:
        add(0, LARGE, OWN[0], own, 100_000)
    made = Table.from_rows(rows)
    return Table({name: made[name] for name in made.columns}, along)


def verdicts(made: Table) -> Mapping[str, str]:
    found = STUDY.analysis(made).findings
    assert len(found) == len(NAMES)
    return dict(zip(NAMES, (finding.verdict for finding in found), strict=True))


def test_courses_as_the_sources_say_agree() -> None:
    assert set(verdicts(table()).values()) == {"agrees"}


def test_the_numbers_that_were_put_in_come_back() -> None:
    late, gain, slope, own, norm = STUDY.analysis(table()).findings
    assert late.measured == pytest.approx(7_500 - 500, rel=0.02)
    assert gain.measured == pytest.approx(0.6 * np.log(11_250) / np.log(7_500) - 0.2, abs=0.02)
    assert slope.measured == pytest.approx(-1, abs=1e-3)
    assert own.measured == pytest.approx(1, abs=1e-3)
    assert norm.measured == pytest.approx(1, abs=1e-2)


def test_a_time_that_does_not_depend_on_the_decay_disagrees() -> None:
    got = verdicts(table(lambda decay, seed: 7_500 + 10 * seed + 100 * decay))
    assert got["inverse"] == got["own decay"] == "disagrees"
    assert got["late"] == "agrees"


def test_generalising_at_once_is_no_grokking() -> None:
    assert verdicts(table(lambda decay, seed: 600 + seed))["late"] == "disagrees"


def test_norms_that_go_with_the_decay_are_not_one() -> None:
    assert (
        verdicts(table(norm=lambda decay: 50 * max(decay, 0.01) ** -0.2))["one norm"] == "disagrees"
    )


def test_as_good_without_decay_disagrees() -> None:
    assert verdicts(table(without=0.9))["needs decay"] == "disagrees"


def test_the_held_out_run_can_fail_the_law() -> None:
    assert verdicts(table(own=40_000))["own decay"] == "disagrees"


def test_a_held_out_run_may_differ_as_much_as_seeds_do() -> None:
    """Its interval was that of the laws' mean, as if the run itself had no scatter."""
    made = table(lambda decay, seed: 750 * (1 + 0.15 * (seed - 1)) / decay, own=45_000)
    own = STUDY.analysis(made).findings[3]
    logs = np.log([0.85, 1.0, 1.15])
    reach = float(stats.t.ppf(0.975, 2) * np.sqrt(1 + 1 / 3) * logs.std(ddof=1))
    assert own.measured == pytest.approx(0.6 / np.exp(logs.mean()), rel=0.01)
    assert np.log(own.high / own.measured) == pytest.approx(reach, rel=0.02)
    assert own.verdict == "undecided"


def test_every_finding_has_a_figure_and_a_source() -> None:
    there = {f.__name__ for f in STUDY.figures}
    assert {f.figure for f in STUDY.analysis(table()).findings} == there


@pytest.mark.parametrize(
    "made",
    [table(seeds=1), table(seeds=1, own=0, control=False), table(decays=(0.1,), own=0)],
    ids=["one seed", "little of it", "one decay"],
)
def test_too_little_decides_nothing_and_prints_no_nan(made: Table) -> None:
    for finding in STUDY.analysis(made).findings:
        text = f"{finding.answer} {finding.control} {finding.shown}"
        assert "nan" not in text
        if not np.isfinite(finding.low):
            assert finding.verdict == "undecided"
    assert verdicts(made)["inverse"] == "undecided"


def test_a_network_that_never_generalises_says_so() -> None:
    got = STUDY.analysis(table(lambda decay, seed: 1e12, own=0)).findings
    assert "not within" in got[0].answer
    assert {finding.verdict for finding in got} <= {"undecided", "disagrees"}


def test_the_fitter_gives_the_exponent_and_leaves_the_sources_own_decay_out() -> None:
    (fit,) = STUDY.analysis(table(own=10_000)).fits.values()
    assert fit.parameters["alpha"].value == pytest.approx(1, abs=1e-2)
    assert not STUDY.analysis(table(decays=(0.1,))).fits


def test_times_are_a_view_with_phases() -> None:
    view = STUDY.view("times", table())
    assert set(view.columns) == {
        "seed", "init_scale", "weight_decay", "t_train", "t_test", "lag", "phase",
    }  # fmt: skip
    large = view.where(init_scale=LARGE)
    assert set(large.where(weight_decay=0.0)["phase"]) == {"M"}
    assert set(large.where(weight_decay=0.1)["phase"]) == {"G"}
    assert set(view.where(init_scale=1.0)["phase"]) == {"C"}


@pytest.mark.parametrize("made", [table(), table(decays=(0.1,), own=0, seeds=1, control=False)])
@pytest.mark.parametrize("figure", STUDY.figures, ids=lambda f: f.__name__)
def test_figures_are_drawn_with_their_finding_on_top(
    figure: Callable[..., Figure], made: Table
) -> None:
    drawn = figure(made, STUDY.analysis(made))
    drawn.draw_without_rendering()
    assert drawn.get_suptitle()
    assert all(ax.lines and (ax.get_ylabel() or ax.get_xlabel()) for ax in drawn.axes[-1:])
    assert figure.__doc__ is not None


def test_a_table_without_trajectories_is_refused() -> None:
    made = table()
    with pytest.raises(DataError, match="without trajectories"):
        STUDY.analysis(Table({name: made[name] for name in made.columns}))


# ---- runs --------------------------------------------------------------------------------


def test_the_networks_are_the_sources() -> None:
    specs: list[RunSpec] = STUDY.specs("paper")
    for spec in specs:
        assert isinstance(spec.model, MLP) and isinstance(spec.data, ImageSubset)
        assert spec.model.widths == (784, 200, 200, 10)
        assert (spec.data.name, spec.data.n_train) == ("mnist", 1000)
        assert (spec.train.batch_size, spec.train.loss) == (200, SquaredError())
        assert spec.train.epochs // spec.train.measure_every <= 150
        optimizer = spec.train.optimizer.document()
        assert (optimizer["kind"], optimizer["learning_rate"]) == ("AdamW", 1e-3)
    own = [s for s in specs if s.train.optimizer.document()["weight_decay"] == 0.01]
    assert [(s.seed, s.train.epochs * 5) for s in own] == [(0, 100_000)]
    assert len(make_packs(STUDY.specs("quick"))) > 1


def test_starts_of_several_sizes_share_a_program_and_their_images() -> None:
    packs = make_packs(STUDY.specs("paper"))
    assert max(len({s.model.init_scale for s in pack.specs}) for pack in packs) > 1
    assert all(len({s.seed for s in pack.specs}) == 1 for pack in packs)
