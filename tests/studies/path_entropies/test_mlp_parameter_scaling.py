"""The first study: its sizes, its analysis as the notebook does it, and its views."""

import numpy as np
import pytest
from scipy import stats

from allometry.models import MLP
from allometry.stats.grid import Curves
from allometry.studies.path_entropies.laws import notebook_laws, reduced
from allometry.studies.path_entropies.mlp_parameter_scaling import STUDY
from allometry.tables.table import Table
from tests.training.test_loop import notebook_rows

# studies.md 000.5: the fits of an independent re-run at seed 42, to the digits it prints.
PRINTED = {
    "loss": (-1.66, 0.87),
    "htse": (-1.22, 0.82),
    "hsie": (2.26, 0.77),
    "core": (-1.52, 0.55),
}
UNTRAINED_CORE = (-1.63, 0.80)


@pytest.fixture(scope="module")
def printed() -> Table:
    """The 19 networks of seed 42 as an independent run of the notebook's code prints them."""
    numbers = ("n_params", "test_loss", "htse", "hsie", "htse_untrained", "hsie_untrained")
    rows = [
        {"seed": 42, "status": "done", "hidden_sizes": row["hidden_sizes"]}
        | {name: float(row[name]) for name in numbers}
        for row in notebook_rows()
    ]
    return Table.from_rows(rows)


def curves(table: Table) -> Curves:
    return Curves(table["n_params"], {name: table[name] for name in table.columns})


def test_the_sizes_are_the_notebooks() -> None:
    specs = STUDY.specs("notebook", 1)
    widths = [spec.model.widths for spec in specs if isinstance(spec.model, MLP)]
    assert [str(w[1:3]) for w in widths] == [row["hidden_sizes"] for row in notebook_rows()]
    assert {spec.seed for spec in STUDY.specs("notebook")} == {42, 43, 44, 45, 46}


def test_the_five_fits_are_those_of_the_independent_run(printed: Table) -> None:
    laws = notebook_laws(curves(printed))
    for name, (slope, r2) in PRINTED.items():
        assert laws[name].slope == pytest.approx(slope, abs=0.02), name
        assert laws[name].r2 == pytest.approx(r2, abs=0.02), name
    core = notebook_laws(curves(printed), "_untrained")["core"]
    assert (core.slope, core.r2) == pytest.approx(UNTRAINED_CORE, abs=0.02)


def test_the_cut_keeps_twelve_sizes_and_the_fit_uses_eleven(printed: Table) -> None:
    part = reduced(curves(printed))
    assert len(part.size) == 12 and part.size[-1] == 11993
    assert (part["loss"] > 0).sum() == 11


def test_the_laws_view_agrees_with_scipy(printed: Table) -> None:
    view = STUDY.view("laws", printed)
    assert len(view) == 10 and set(view["sizes"].tolist()) == {12}
    (loss,) = (row for row in view if row["law"] == "loss" and row["networks"] == "trained")
    part = reduced(curves(printed))
    kept = part["loss"] > 0
    oracle = stats.linregress(np.log10(part.size[kept]), np.log10(part["loss"][kept]))
    assert loss["slope"] == pytest.approx(oracle.slope)
    assert loss["p"] == pytest.approx(oracle.pvalue)


def test_the_notebook_view_has_the_notebooks_columns(printed: Table) -> None:
    view = STUDY.view("notebook", printed)
    assert view.columns == (
        "seed", "hidden_sizes", "num_params_N", "final_test_loss", "final_htse", "final_hsie",
    )  # fmt: skip
    assert view["num_params_N"].tolist() == sorted(printed["n_params"].tolist())
