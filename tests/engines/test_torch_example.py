"""The example of a study in PyTorch: learns its teacher, and the same on every way to run it."""

import pytest

from allometry.engines.local import LocalEngine
from allometry.run import run
from tests import ROOT
from tests.engines.cases import content

pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'allometry[torch]'")
pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "docs" / "examples" / "torch_study.py"


def test_the_example_learns_and_is_the_same_in_one_process_and_in_two(tmp_path):
    one = run(EXAMPLE, store=tmp_path / "one.db", seeds=1)
    assert (one.trained, one.failures) == (5, ())
    along = one.table.trajectories[one.table["run_id"][4]]
    assert along["step"].tolist() == list(range(0, 301, 50))
    assert along["test_loss"][-1] < along["test_loss"][0] / 10
    loss = one.table["test_loss"]
    assert loss[4] < loss[0], "a larger student is nearer to its teacher"
    assert one.findings[0].claim.startswith("The test loss is a power law")
    run(EXAMPLE, store=tmp_path / "two.db", seeds=1, engine=LocalEngine(workers=2))
    assert content(tmp_path / "one.db") == content(tmp_path / "two.db")


def test_its_figure_draws(tmp_path):
    outcome = run(EXAMPLE, store=tmp_path / "s.db", seeds=2)
    (figure,) = outcome.analysis.figures.values()
    assert figure.draw().axes
