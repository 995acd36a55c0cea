"""The NTK study: its cells, its slopes beside the printed ones, and what is no network at all."""

import csv

import numpy as np
import pytest

from allometry.run import run
from allometry.studies.ntk_depth.analysis import (
    COLUMNS,
    Cells,
    plane,
    rms,
    slopes,
    slopes_view,
    tables_view,
)
from allometry.studies.ntk_depth.findings import GRANTED
from allometry.studies.ntk_depth.printed import PRINTED
from allometry.studies.ntk_depth.procedure import KernelDraws
from allometry.studies.ntk_depth.spec import KernelDraw
from allometry.studies.ntk_depth.study import STUDY
from allometry.tables.table import Table
from tests import ASSETS

CONTRACT = (
    "depth", "width", "d_in", "n_points", "draw", "spectral_radius", "matched_spectral_radius",
)  # fmt: skip


def stated(row):
    """The tolerance studies.md 002.4 states for a line of the printed table."""
    if row.over == "N":
        return 0.2 if row.fixed >= 18 and row.width <= 20 else 0.03
    if row.width >= 100 and row.d_in >= 50:
        return 0.02
    return 0.03 if row.width >= 30 else 0.1


def measured(specs):
    """The table of these draws, without a store."""
    procedure, rows = KernelDraws(), []
    for pack in procedure.packs(specs):
        for r in procedure.run(pack, STUDY.measures, {}, lambda n: None):
            rows.append({**r.row, "status": r.status, "seed": r.spec.seed})
    return Table.from_rows(rows)


def of_lines(lines, draws=10):
    cells = dict.fromkeys(cell for row in lines for cell in row.cells)
    return measured([
        KernelDraw(n_points=n, d_in=d, width=m, depth=depth, seed=seed)
        for n, d, m, depth in cells
        for seed in range(42, 42 + draws)
    ])  # fmt: skip


@pytest.fixture(scope="module")
def sample():
    """Lines whose tails are light: wide networks of few layers."""
    chosen = [
        row
        for row in PRINTED
        if (row.over, row.fixed, row.d_in, row.width)
        in {("L", 8, 50, 100), ("L", 8, 50, 200), ("L", 16, 100, 100), ("L", 8, 100, 200),
            ("L", 8, 200, 100), ("N", 4, 20, 30)}
    ]  # fmt: skip
    return of_lines(chosen)


def test_the_lines_are_the_printed_ones():
    with (ASSETS / "002_slopes.csv").open() as file:
        printed = list(csv.DictReader(file))
    assert len(printed) == len(PRINTED) == 164
    for row, line in zip(PRINTED, printed, strict=True):
        own = (row.over, row.fixed, row.d_in, row.width, row.points)
        assert own == (line["over"], *(int(line[n]) for n in ("fixed", "D_IN", "M", "points")))
        assert (row.slope, row.r2) == (float(line["printed_slope"]), float(line["printed_r2"]))
        assert len(row.sizes) == row.points >= 5


def test_a_run_is_a_draw_of_a_cell():
    specs = STUDY.specs("notebook", 10)
    assert len(specs) == 10 * len({cell for row in PRINTED for cell in row.cells})
    assert max(s.width for s in specs) == 2000 and max(s.depth for s in specs) == 58


def test_sampled_lines_have_the_printed_slopes(sample):
    found = slopes(Cells.of(sample))
    assert len(found.printed) == 6
    for row, slope, r2 in zip(found.printed, found.slope, found.r2, strict=True):
        assert slope == pytest.approx(row.slope, abs=stated(row)), row
        assert r2 > 0.97


def test_the_view_has_the_columns_of_the_printed_table(sample):
    view = slopes_view(sample)
    assert view.columns == ("over", "fixed", "D_IN", "M", "slope", "r2", "points")
    assert all(name in sample for name in CONTRACT)


def test_the_plotted_quantity_grows_with_width_and_so_does_the_limit_alone(sample):
    """M^+1, where the author's regression prints M^-1.009."""
    for column in ("spectral_radius", "limit_spectral_radius"):
        m = plane(Cells.of(sample), column, resamples=100).parameters["alpha_M"]
        assert m.value == pytest.approx(1.0, abs=0.05), column


def test_the_matched_correction_of_one_draw_falls_as_the_root_of_depth_by_width(sample):
    cells = Cells.of(sample)
    wide = cells.only(cells.size("width") >= 10 * cells.size("depth"))
    found = plane(wide, "matched_spectral_radius", "matched_limit_spectral_radius", resamples=100)
    assert found.parameters["alpha_M"].value == pytest.approx(-0.5, abs=0.1)
    assert found.parameters["alpha_L"].value == pytest.approx(0.5, abs=0.1)


def test_other_slopes_would_be_seen(sample):
    """The matched correction's own slopes over depth are far from the printed ones."""
    wrong = sample.with_columns(spectral_radius=sample["matched_spectral_radius"])
    assert rms(slopes(Cells.of(wrong)).over("L")).value > 5 * GRANTED["L"]


def test_tables_are_set_beside_the_printed_one_and_beside_each_other():
    """Slopes known: a radius of L^s in table s, on a printed line over L."""
    line = next(row for row in PRINTED if row.over == "L")
    powers = np.repeat([1.0, 1.5, 3.0], 10)
    rows = [
        {"n_points": n, "d_in": d, "width": m, "depth": depth, "draw": draw, "seed": draw,
         **dict.fromkeys(COLUMNS, float(depth) ** power), "status": "done"}
        for n, d, m, depth in line.cells
        for draw, power in enumerate(powers)
    ]  # fmt: skip
    found = tables_view(Table.from_rows(rows))
    by_name = dict(zip(found["of"], found["rms_L"], strict=True))
    for table, power in enumerate((1.0, 1.5, 3.0), start=1):
        assert by_name[f"table {table}"] == pytest.approx(abs(power - line.slope))
    assert by_name["medians"] == pytest.approx(abs(1.5 - line.slope))
    assert by_name["table 1 from table 2"] == pytest.approx(0.5)
    assert by_name["table 2 from table 3"] == pytest.approx(1.5)
    assert np.isnan(found["rms_N"]).all()


def test_the_mean_of_the_diagonal_is_exact(sample):
    each = sample["diagonal"]
    assert each.mean() == pytest.approx(1.0, abs=5 * each.std() / np.sqrt(len(each)))


@pytest.mark.slow
def test_the_whole_printed_table(tmp_path):
    """rms differences as granted; the lines of M >= 30 within the stated tolerance but a few."""
    table = run(STUDY, "notebook", store=tmp_path / "notebook.db").table
    found = slopes(Cells.of(table))
    assert len(found.printed) == 164
    for over in "LN":
        assert rms(found.over(over)).value <= GRANTED[over]
    wide = np.array([row.width >= 30 for row in found.printed])
    far = np.abs(found.slope - found.target) > [stated(row) for row in found.printed]
    # The printed slopes are single tables with noise of their own: 6 of 70 lie outside.
    assert (far & wide).sum() <= 0.1 * wide.sum()
    exponents = plane(Cells.of(table), "spectral_radius").values
    for name, printed in (("alpha_L", 1.171), ("alpha_D", 0.047), ("alpha_N", 0.900)):
        assert exponents[name] == pytest.approx(printed, abs=0.02)
    assert exponents["alpha_M"] == pytest.approx(1.009, abs=0.01)
