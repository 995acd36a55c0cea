"""When weights do not decide, it is said; measured values set aside play no part."""

import numpy as np

from allometry.fitting.compare import compare
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}
LAWS = ["power", "power_floor"]


def curve(floor, sd, n=20):
    """A power law over a factor of 30; with so narrow a span a floor is hard to tell."""
    x = np.geomspace(1e2, 3e3, n)
    y = (floor + 5 * x**-0.3) * np.exp(sd * np.random.default_rng(3).normal(size=n))
    return Table({"x": x, "y": y})


def test_laws_that_weigh_alike_and_part_beyond_the_data_are_not_told_apart():
    group = compare(curve(0.1, 0.02), XY, LAWS)[0]
    assert max(s.weight for s in group.laws.values()) < 0.9
    assert group.cannot_tell.startswith("cannot tell which law: no weight is above 0.9 (power ")
    assert "at ten times the largest size" in group.cannot_tell
    far = {"x": np.array([3e4])}
    first, second = (group.laws[name].fit.predict(far)[0] for name in LAWS)
    worst = max(s.backtest_rmsle for s in group.laws.values())
    assert abs(np.log(first / second)) > worst
    assert group.to_document()["cannot_tell"] == group.cannot_tell


def test_a_law_of_nearly_all_the_weight_is_chosen_without_reserve():
    group = compare(curve(0.5, 0.001), XY, LAWS)[0]
    assert group.chosen == "power_floor" and group.laws["power_floor"].weight > 0.9
    assert group.cannot_tell == ""


def test_laws_that_weigh_alike_and_predict_alike_need_no_warning():
    group = compare(curve(0.1, 0.02), XY, ["m2", "power_floor"])[0]
    assert [s.weight for s in group.laws.values()] == [0.5, 0.5]
    assert group.cannot_tell == ""


def test_measured_values_of_the_rows_set_aside_play_no_part():
    table = curve(0.1, 0.02)
    spoilt = table.with_columns(y=np.where(table["x"] > 1e3, 7.0, table["y"]))
    texts = [
        compare(t, XY, LAWS, fit_where=["x<=1000"], backtest=True)[0].cannot_tell
        for t in (table, spoilt)
    ]
    assert texts[0] == texts[1] and ("rows set aside" in texts[0] or texts[0] == "")
