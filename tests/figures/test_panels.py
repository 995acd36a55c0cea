"""What a panel draws is what it was given: no run lost in silence, fitted told from not."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.figures import (
    IntervalRow,
    control_panels,
    curve,
    fit_panel,
    interval_panel,
    panels,
    residual_panel,
    runs_panel,
    stacked,
    trajectory_panel,
)
from allometry.figures.labels import emptiest_corner
from allometry.figures.marks import LARGE, SMALL

X = np.repeat([1e3, 1e4, 1e5], 3)
Y = 2 * X**-0.3 * np.tile([0.9, 1.0, 1.1], 3)


def axes():
    return panels()[1][0, 0]


def marks_of(ax, size):
    return [line for line in ax.lines if line.get_markersize() == size and len(line.get_xdata())]


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_every_run_and_every_mean_is_drawn():
    ax = runs_panel(X, Y, ax=axes())
    assert sum(len(line.get_xdata()) for line in marks_of(ax, SMALL)) == len(X)
    means = marks_of(ax, LARGE)
    expected = [Y[n == X].mean() for n in (1e3, 1e4, 1e5)]
    assert np.concatenate([m.get_ydata() for m in means]) == pytest.approx(expected)


def test_a_run_alone_at_its_size_is_as_large_as_a_mean():
    ax = runs_panel([1e3, 1e4], [2.0, 1.0], ax=axes())
    assert len(marks_of(ax, LARGE)) == 1 and not marks_of(ax, SMALL)


def test_runs_outside_the_fit_are_hollow_on_light_ground():
    ax = runs_panel(X, Y, ax=axes(), used=X < 1e5)
    hollow = [line for line in marks_of(ax, SMALL) if line.get_markerfacecolor() == "white"]
    assert np.concatenate([line.get_xdata() for line in hollow]).tolist() == [1e5] * 3
    (ground,) = ax.patches
    assert ground.get_x() == pytest.approx(10**4.5)  # half way to the last fitted size
    assert "not fitted" in texts(ax)


def test_runs_that_have_no_place_on_the_axis_are_counted():
    ax = runs_panel(X, np.where(X == 1e4, np.nan, Y), ax=axes())
    assert "3 runs cannot be drawn here" in texts(ax)
    ax = runs_panel(X, Y - Y.min(), ax=axes())
    assert "1 runs cannot be drawn here" in texts(ax)


def test_a_line_is_solid_where_fitted_and_dashed_beyond():
    line = curve(lambda x: x**-0.3, (1e3, 1e5), beyond=(1e3, 1e6))
    ax = runs_panel(X, Y, ax=axes(), curves=[line])
    solid, dashed = (line for line in ax.lines if len(line.get_xdata()) > 20)
    assert solid.get_linestyle() == "-" and dashed.get_linestyle() == "--"
    assert max(solid.get_xdata()) <= 1e5 <= max(dashed.get_xdata()) == 1e6
    assert dashed.get_xdata()[0] == solid.get_xdata()[-1]  # no gap between them
    assert ax.get_xlim()[1] > 1e6


def test_a_wild_band_does_not_flatten_the_data():
    wild = curve(lambda x: 2 * x**-0.3, (1e3, 1e5), interval=lambda x: (x**-3.0, x**3.0))
    low, high = runs_panel(X, Y, ax=axes(), curves=[wild]).get_ylim()
    assert low > Y.min() / 3 and high < Y.max() * 3


def test_residuals_are_of_the_runs_over_the_fit():
    ax = residual_panel(X, Y, 2 * X**-0.3, ax=axes())
    drawn = np.concatenate([line.get_ydata() for line in marks_of(ax, SMALL)])
    assert sorted(drawn) == pytest.approx([-10] * 3 + [0] * 3 + [10] * 3, abs=1e-9)
    ax = residual_panel(X, Y, Y - 1, relative=False, ax=axes())
    assert marks_of(ax, SMALL)[0].get_ydata() == pytest.approx(1)


def test_fit_panel_puts_residuals_under_the_runs():
    _, tops, lower = stacked()
    top, low = fit_panel(
        X,
        Y,
        lambda x: 2 * x**-0.3,
        axes=(tops[0], lower[0]),
        used=X < 1e5,
        xlabel="N",
        ylabel="loss",
    )
    assert top.get_xlim() == low.get_xlim() and low.get_xlabel() == "N"
    assert "%" in low.get_ylabel()
    with pytest.raises(UsageError, match="all False"):
        fit_panel(X, Y, lambda x: x, axes=(tops[0], lower[0]), used=X < 0)


def test_control_stands_on_the_scale_of_the_trained():
    _, ax = panels(1, 2)
    left, right = control_panels(X, Y, Y / 50, axes=tuple(ax[0]))
    assert left.get_ylim() == right.get_ylim()
    assert marks_of(left, SMALL)[0].get_mec() != marks_of(right, SMALL)[0].get_mec()
    assert marks_of(left, SMALL)[0].get_marker() != marks_of(right, SMALL)[0].get_marker()


def test_intervals_are_named_and_numbered():
    ax = interval_panel(
        [
            IntervalRow("trained", 0.34, 0.30, 0.38, group="alpha", predicted=0.37),
            IntervalRow("untrained", 0.32, 0.28, 0.36, control=True, group="alpha"),
        ],
        ax=axes(),
    )
    assert [t.get_text() for t in ax.get_yticklabels()] == ["trained", "untrained"]
    assert {"0.340 [0.300, 0.380]", "0.320 [0.280, 0.360]", "α", "predicted"} <= set(texts(ax))
    with pytest.raises(UsageError, match="at least one row"):
        interval_panel([], ax=axes())


def test_courses_are_labelled_at_the_smallest_and_largest_size_without_overlap():
    values = np.outer([1.0, 1.001, 1.002], np.ones(5)) + np.linspace(0, 1, 5)
    ax = trajectory_panel(
        np.arange(5),
        values,
        ax=axes(),
        sizes=[10, 20, 30],
        labels=["N = 10", "N = 20", "N = 30"],
        total=values.mean(0),
    )
    assert set(texts(ax)) == {"N = 10", "N = 30", "mean"}
    ax.figure.canvas.draw()
    boxes = sorted((t.get_window_extent() for t in ax.texts), key=lambda b: b.y0)
    assert all(a.y1 <= b.y0 + 2 for a, b in pairwise(boxes))
    with pytest.raises(UsageError, match="expected, got shape"):
        trajectory_panel(np.arange(4), values, ax=axes())


def test_many_runs_become_pixels():
    x = np.geomspace(1, 1e6, 5000)
    ax = runs_panel(x, x, ax=axes())
    assert all(line.get_rasterized() for line in marks_of(ax, SMALL))


def test_a_note_goes_where_there_is_room():
    rising = np.linspace(0, 1, 50)
    assert emptiest_corner(rising, rising) in ("upper left", "lower right")
    assert emptiest_corner(rising, 1 - rising) in ("upper right", "lower left")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"used": [True]}, "a bool for each of 9 runs"),
        ({"join": True}, "needs `seed`"),
        ({"label": "a", "label_at": "middle"}, "label_at must be"),
        ({"note": "a", "note_at": "nowhere"}, "note_at must be"),
    ],
)
def test_wrong_words_are_refused(words, message):
    with pytest.raises(UsageError, match=message):
        runs_panel(X, Y, ax=axes(), **words)
    with pytest.raises(UsageError, match="the same length"):
        runs_panel(X, Y[:2], ax=axes())


def test_a_notebook_needs_no_axes():
    matplotlib.use("agg")
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    for made in (
        runs_panel(X, Y),
        fit_panel(X, Y, lambda x: 2 * x**-0.3)[0],
        control_panels(X, Y, Y)[0],
        interval_panel([IntervalRow("a", 1, 0, 2)]),
    ):
        assert made.figure.number in pyplot.get_fignums()
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == before
