"""D-scaling: whether data or the seed move the entropies more, and the forms of their laws."""

import re

import numpy as np
import pytest

from allometry.claims.claim import OURS
from allometry.findings import Finding
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.data_laws import _ratio
from allometry.studies.path_entropies.mlp_data_scaling import STUDY
from allometry.tables.table import Table

SIZES = np.geomspace(100, 50_000, 12).astype(int)


def runs(*, power: float = 0.8, between_seeds: float = 1e-6, seeds: int = 5) -> Table:
    """Training adds a power of D to H'_TSE and takes one from H'_SIE.

    Which 30 units are in the sample is another draw for each seed, the same at every D; over all
    units the seeds hardly differ.
    """
    random, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        sample, level = random.normal(scale=0.01), random.normal(scale=between_seeds)
        for d in SIZES:
            moved = 1e-8 * d**power * random.normal(1, 0.01)
            row = {
                "seed": seed, "status": "done", "n_data": int(d),
                "test_loss": 0.3 + 5 * d**-0.5,
                "htse_all_untrained": 0.05, "htse_all": 0.05 + level + moved,
                "hsie_all_untrained": 8.0, "hsie_all": 8 - level - moved,
            }  # fmt: skip
            for name in ("htse", "hsie"):
                for of in ("", "_untrained"):
                    row[name + of] = row[f"{name}_all{of}"] + sample
            rows.append(row)
    return Table.from_rows(rows)


def findings(table: Table) -> dict[str, Finding]:
    return {finding.claim: finding for finding in STUDY.analysis(table).findings}


def of_seed(found: dict[str, Finding], symbol: str) -> Finding:
    return found[f"More data change {symbol} more than another seed would"]


def test_the_draw_of_sampled_units_is_no_spread_between_seeds() -> None:
    """In the sample the seeds are .01 apart and the data move 3e-5: the draw decided before."""
    found = findings(runs())
    assert [of_seed(found, symbol).verdict for symbol in ("H'_TSE", "H'_SIE")] == ["agrees"] * 2
    assert of_seed(found, "H'_TSE").source == OURS


def test_seeds_that_differ_more_than_the_data_move_disagree() -> None:
    found = findings(runs(between_seeds=1e-2))
    assert of_seed(found, "H'_TSE").verdict == "disagrees"


def test_three_seeds_whose_spread_is_little_known_leave_a_ratio_of_five_open() -> None:
    """The standard deviation of three seeds may be six times too small."""
    change = Interval(5.0, 4.9, 5.1)
    low, high = _ratio(change, 1.0, seeds=3)[1:]
    # sqrt of the chi-squared quantiles .025 and .975 of two degrees of freedom, over two.
    assert (low, high) == pytest.approx((5 * 0.159, 5 * 1.921), rel=0.03)
    assert _ratio(change, 1.0, seeds=20).low > 3


def test_the_interval_of_the_ratio_holds_the_true_one_in_95_percent() -> None:
    random, truth, held = np.random.default_rng(1), 4.0, 0
    for _ in range(400):
        levels = random.normal(size=5)
        moves = truth + random.normal(scale=0.5, size=5)
        reach = 2.776 * moves.std(ddof=1) / np.sqrt(5)
        change = Interval(moves.mean(), moves.mean() - reach, moves.mean() + reach)
        interval = _ratio(change, float(levels.std(ddof=1)), seeds=5)
        held += interval.low <= truth <= interval.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_what_training_adds_grows_with_d_and_its_exponent_tells_a_power_from_a_logarithm() -> None:
    """The source says nothing of it: that a form fails is in the answer and no verdict."""
    claim = "The increase of H'_TSE by training grows with D"
    table = runs(between_seeds=0)
    power = findings(table)[claim]
    assert (power.verdict, power.source) == ("agrees", OURS)
    assert power.measured == pytest.approx(0.8, abs=0.02)
    logarithm = table["htse_all_untrained"] + 1e-5 * np.log(table["n_data"] / 50)
    bent = findings(table.with_columns(htse_all=logarithm))[claim]
    assert bent.verdict == "agrees"
    changes = [re.findall(r"changes by (-?\d+)%", found.answer) for found in (power, bent)]
    assert abs(int(changes[0][0])) < 10 and int(changes[1][0]) < -100
    falls = table["htse_all_untrained"] + 1e-5 * table["n_data"] ** -0.3
    assert findings(table.with_columns(htse_all=falls))[claim].verdict == "disagrees"


def test_one_seed_gives_no_verdict() -> None:
    assert {f.verdict for f in findings(runs(seeds=1)).values()} == {"undecided"}


def test_every_finding_names_a_figure_of_the_study() -> None:
    names = {figure.__name__ for figure in STUDY.figures}
    assert {finding.figure for finding in findings(runs()).values()} == names
