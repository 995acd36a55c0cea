"""A table and its trajectories for pandas, Polars, xarray and Parquet, and along training."""

import math
import sys

import numpy as np
import pytest

from allometry.errors import UnavailableError, UsageError
from allometry.tables.read import read_table
from allometry.tables.table import Table

TRAJECTORIES = {
    "a": {
        "step": np.array([0, 10, 20]),
        "loss": np.array([3.0, 2.0, 1.0], np.float32),
        "norms": np.arange(6.0).reshape(3, 2),
    },
    "c": {"step": np.array([0, 10]), "loss": np.array([5.0, 4.0], np.float32)},
}
RUNS = Table(
    {"run_id": ["a", "b", "c"], "n": [1, 2, 3], "loss": [1.0, math.nan, 4.0],
     "kind": ["x", None, "y"], "mixed": [1, "auto", None]},
    TRAJECTORIES,
)  # fmt: skip


def test_a_row_for_each_point_of_training():
    along = RUNS.along_training()
    assert along["run_id"].tolist() == ["a", "a", "a", "c", "c"]
    assert along["n"].tolist() == [1, 1, 1, 3, 3]
    assert along["step"].tolist() == [0, 10, 20, 0, 10]
    assert along["loss"].tolist() == [3, 2, 1, 5, 4]  # not that of the end
    assert along["norms.1"].tolist()[:3] == [1, 3, 5] and math.isnan(along["norms.1"][4])


def test_a_selection_has_the_points_of_its_runs():
    assert len(RUNS.where(n=3).along_training()) == 2
    with pytest.raises(UsageError, match="no run of this table has a trajectory"):
        RUNS.where(n=2).along_training()


def test_complex_numbers_are_left_out_and_said():
    table = Table({"run_id": ["a"]}, {"a": {"step": np.arange(2), "z": np.array([1j, 2j])}})
    along = table.along_training()
    assert along.columns == ("run_id", "step") and "'z' is of complex" in along.notes[0]


def test_polars_has_the_values_and_nulls():
    pytest.importorskip("polars", reason="pip install 'allometry[polars]'")
    frame = RUNS.to_polars()
    assert frame["loss"].to_list() == [1.0, None, 4.0]
    assert frame["kind"].to_list() == ["x", None, "y"]
    assert frame["mixed"].to_list() == [1, "auto", None]
    assert frame["n"].to_list() == [1, 2, 3]


def test_xarray_has_columns_by_run_and_trajectories_by_point():
    pytest.importorskip("xarray", reason="pip install 'allometry[xarray]'")
    data = RUNS.to_xarray()
    assert float(data["loss"].sel(run_id="c")) == 4
    along = data["loss_along"]
    assert along.dims == ("run_id", "trajectory_point")
    assert along.sel(run_id="a").values.tolist() == [3, 2, 1]
    assert along.sel(run_id="c").values.tolist()[:2] == [5, 4]
    assert math.isnan(along.sel(run_id="c").values[2]) and np.isnan(along.sel(run_id="b")).all()
    assert data["norms"].shape == (3, 3, 2)
    assert RUNS.without("run_id").to_xarray().sizes["row"] == 3


def test_parquet_comes_back(tmp_path):
    pytest.importorskip("pyarrow", reason="pip install 'allometry[parquet]'")
    RUNS.to_parquet(tmp_path / "runs.parquet")
    back = read_table(tmp_path / "runs.parquet", ())
    assert back.columns == RUNS.columns
    assert back["n"].dtype == np.int64 and back["kind"].tolist() == ["x", None, "y"]
    np.testing.assert_array_equal(back["loss"], RUNS["loss"])
    assert back["mixed"].tolist() == ["1", "auto", None]
    wide = Table({"n": [2**63, None], "m": [-1, None]})
    wide.to_parquet(tmp_path / "wide.parquet")
    assert read_table(tmp_path / "wide.parquet")["n"].tolist()[0] == 2**63


@pytest.mark.parametrize(
    ("module", "extra", "use"),
    [
        ("polars", "polars", lambda path: RUNS.to_polars()),
        ("xarray", "xarray", lambda path: RUNS.to_xarray()),
        ("pyarrow", "parquet", lambda path: RUNS.to_parquet(path / "x.parquet")),
    ],
)
def test_a_missing_extra_is_named(module, extra, use, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnavailableError, match=rf"pip install 'allometry\[{extra}\]'"):
        use(tmp_path)
