"""The figure of a fit: labels that can be read, endings that can be written."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from allometry import cli
from allometry.errors import UsageError
from allometry.figures.fits import ENDINGS, check_ending, draw_fit, save_fit_figure
from allometry.figures.style import stacked
from allometry.fitting.document import Status
from allometry.fitting.fit import fit
from allometry.tables.table import Table


def made(start, stop, law="power"):
    x = np.geomspace(start, stop, 20)
    y = (1.5 + 30 * x**-0.3) * np.exp(0.02 * np.random.default_rng(0).normal(size=20))
    return fit(Table({"x": x, "y": y}), law, {"x": "x", "y": "y"}, resamples=20)


def boxes(axis, canvas):
    """Where the tick labels of an axis lie, those that are drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_ticklabels(which="both"), strict=False)
    shown = [t for t in axis.get_ticklabels(which="both") if t.get_text() and t.get_visible()]
    assert len([t for t, _ in ticks if low <= t <= high]) >= 2
    return [label.get_window_extent(canvas.get_renderer()) for label in shown]


@pytest.mark.parametrize(
    ("start", "stop"),
    [(1e5, 7e5), (1e5, 1.3e5), (95_000, 1.05e5), (1, 9), (3e-4, 8e-4), (1e6, 1e7), (10, 1e12),
     (1.1e9, 9.7e9)],
)  # fmt: skip
def test_tick_labels_do_not_lie_over_each_other(start, stop):
    figure, (top,), (low,) = stacked(width=120.0, height=100.0)
    draw_fit(made(start, stop), top, low)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axis in (top.yaxis, low.xaxis, low.yaxis):
        for one, other in itertools.combinations(boxes(axis, canvas), 2):
            assert not one.overlaps(other)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_that_is_listed_can_be_written(ending, tmp_path):
    save_fit_figure(made(1e5, 7e5), tmp_path / f"fit{ending}")
    assert (tmp_path / f"fit{ending}").stat().st_size > 1000


@pytest.mark.parametrize("code", ["converged", "bound_active"])
def test_a_status_other_than_converged_stands_in_the_headline(code, tmp_path):
    drawn = made(1e5, 7e5)
    save_fit_figure(replace(drawn, status=Status(code, "")), tmp_path / "fit.svg")
    headline = (tmp_path / "fit.svg").read_text()
    assert ("bound_active" in headline) == (code != "converged")


@pytest.mark.parametrize("name", ["fit", "fit.html", "fit.svgz", ".png"])
def test_another_ending_is_refused_and_those_there_are_named(name):
    with pytest.raises(UsageError, match=r"\.svg, \.png, \.pdf"):
        check_ending(name)


@pytest.mark.parametrize("name", ["fit", "fit.html"])
def test_the_command_line_refuses_an_ending_before_it_fits(name, tmp_path, monkeypatch, capfd):
    (tmp_path / "in.csv").write_text("x,y\n1,3\n2,2\n4,1.5\n8,1.2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("allometry.fitting.files.fit_file", lambda *_, **__: pytest.fail("fitted"))
    with pytest.raises(SystemExit) as ended:
        cli.main(f"fit in.csv --law power --map x=x --map y=y --figure {name}".split())
    out, err = capfd.readouterr()
    assert ended.value.code == 2 and out == "" and ".svg, .png, .pdf" in err
    assert not (tmp_path / f"{name}.png").exists()
