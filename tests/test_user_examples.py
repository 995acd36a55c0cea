"""Two users' studies of `docs/examples`: short, in few programs, and right about known laws."""

import numpy as np
import pytest

import allometry as al
from allometry.training.packing.sharing import program_key
from tests import ROOT

RUNS = {"width_by_rate": 84, "teacher_data": 96}


def example(name):
    return ROOT / "docs" / "examples" / f"{name}.py"


@pytest.mark.parametrize("name", RUNS)
def test_a_study_takes_at_most_40_lines(name):
    assert len(example(name).read_text(encoding="utf-8").splitlines()) <= 40


@pytest.mark.parametrize("name", RUNS)
def test_all_its_runs_may_share_one_program(name):
    specs = al.study(example(name)).specs("quick")
    assert len(specs) == RUNS[name]
    assert len({program_key(spec) for spec in specs}) == 1


def test_the_best_rate_is_found_where_the_loss_is_lowest():
    """The best rate is N^-0.5, but for the seed; runs that diverged do not count."""
    rows = [
        {
            "n_params": n, "seed": seed, "learning_rate": rate, "status": "done",
            "test_loss": (np.log(rate) + 0.5 * np.log(n) + 0.01 * (-1) ** seed) ** 2,
        }
        for n in (100, 300, 1000, 3000, 10_000)
        for seed in (0, 1)
        for rate in np.geomspace(1e-3, 1, 200)
    ]  # fmt: skip
    lost = {**rows[-1], "status": "diverged", "learning_rate": 1e9, "test_loss": -1.0}
    table = al.Table.from_rows([*rows, lost])
    (finding,) = al.study(example("width_by_rate")).analysis(table).findings
    assert finding.measured == pytest.approx(-0.5, abs=0.02)
    assert (finding.low < -0.5 < finding.high, finding.verdict) == (True, "agrees")


@pytest.mark.parametrize(("way", "verdict"), [(-4, "disagrees"), (4, "agrees")])
def test_the_data_exponents_are_set_against_the_inputs(way, verdict):
    """Loss D^(way log2(n_in) / 16 - 2), with a little noise."""
    random = np.random.default_rng(0)
    rows = [
        {
            "n_in": n_in, "n_data": n, "seed": seed, "status": "done",
            "test_loss": n ** (way * np.log2(n_in) / 16 - 2) * random.uniform(0.99, 1.01),
        }
        for n_in in (4, 8, 16, 32)
        for n in (64, 128, 256, 512, 1024)
        for seed in (0, 1, 2)
    ]  # fmt: skip
    (finding,) = al.study(example("teacher_data")).analysis(al.Table.from_rows(rows)).findings
    assert finding.measured == pytest.approx(3 * way / 16, abs=0.01)
    assert finding.verdict == verdict
