"""Comparing laws: the right one wins, and the test rows are never looked at."""

import json
import re

import numpy as np
import pytest

from allometry.errors import DataError, UsageError
from allometry.figures.fits import save_fit_figure
from allometry.fitting.backtest import errors
from allometry.fitting.compare import compare, document
from allometry.fitting.files import compare_file, fit_file, save_fit
from allometry.fitting.fit import fit_with
from allometry.tables.table import Table

XY = {"x": "x", "y": "y"}


def curves(seed=0):
    """One curve with a floor, one without; the largest sizes are the test."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e2, 1e6, 40)
    parts = []
    for name, y in (("floor", 0.7 + 20 * x**-0.5), ("pure", 9 * x**-0.3)):
        parts.append(
            {
                "name": [name] * 40,
                "x": x,
                "y": y * np.exp(0.005 * rng.normal(size=40)),
                "use": (x < 5e4).astype(int),
            }
        )
    return Table({k: np.concatenate([p[k] for p in parts]) for k in parts[0]})


def run(table, **options):
    options = {"fit_where": ["use==1"], "by": ["name"], "backtest": True, **options}
    return {
        c.by["name"]: c
        for c in compare(table, XY, ["power", "power_floor", "exponential"], **options)
    }


@pytest.mark.parametrize("rule", ["aicc", "backtest"])
def test_the_law_that_made_the_data_is_chosen(rule):
    groups = run(curves(), rule=rule)
    assert groups["floor"].chosen == "power_floor"
    floor = groups["floor"].laws
    assert floor["power_floor"].extrapolation_rmsle < 0.01 < floor["power"].extrapolation_rmsle
    assert floor["power_floor"].backtest_rmsle < floor["power"].backtest_rmsle
    assert groups["pure"].laws["power"].extrapolation_rmsle < 0.02
    for group in groups.values():
        assert sum(s.weight for s in group.laws.values()) == pytest.approx(1.0)
        assert group.averaged_rmsle < 0.05


def test_choice_and_weights_never_look_at_the_test_rows():
    table = curves()
    spoilt = table.with_columns(y=np.where(table["use"] == 1, table["y"], 1e3))
    before, after = run(table), run(spoilt)
    for name in before:
        assert before[name].chosen == after[name].chosen
        for law in before[name].laws:
            assert before[name].laws[law].weight == after[name].laws[law].weight
            assert before[name].laws[law].backtest_rmsle == after[name].laws[law].backtest_rmsle
        assert after[name].averaged_rmsle > 1


def test_equal_rows_are_data_and_are_counted():
    table = curves().where(name="floor").take(np.arange(0, 40, 3).repeat(2))
    named = table.with_columns(id=np.arange(len(table)))
    (group,), (other,) = (
        compare(t, XY, ["power", "power_floor"], backtest=False) for t in (table, named)
    )
    assert (group.rows, group.duplicates, group.notes) == (
        28, 14, ("14 rows equal an earlier one; kept",)
    )  # fmt: skip
    assert (other.rows, other.duplicates, other.notes) == (28, 0, ())
    assert [s.aicc for s in group.laws.values()] == [s.aicc for s in other.laws.values()]
    assert document([group])["groups"][0]["duplicates"] == 14


def test_hold_out_sets_the_largest_sizes_aside():
    table = curves().where(name="floor")
    group = compare(table, XY, ["power_floor"], hold_out=3, backtest=False)[0]
    assert (group.rows, group.test_rows) == (37, 3)
    assert group.laws["power_floor"].extrapolation_rmsle < 0.02


def test_a_law_that_cannot_be_fitted_says_why_and_weighs_nothing():
    table = Table({"x": [1.0, 2, 4, 8], "y": [8.0, 4.1, 2.0, 1.0]})
    group = compare(table, XY, ["power", "bnsl1"])[0]
    assert group.chosen == "power" and group.laws["bnsl1"].weight == 0
    assert "6 parameters" in group.laws["bnsl1"].reason
    with pytest.raises(DataError, match="none of the laws"):
        compare(table, XY, ["bnsl1"])


def test_the_documents_of_the_commands(tmp_path):
    path = tmp_path / "t.csv"
    curves().to_csv(path)
    told = compare_file(path, XY, ["power", "power_floor"], fit_where=["use==1"], by=["name"])
    again = json.loads(json.dumps(told, allow_nan=False))
    assert again["schema"] == "allometry/compare/1"
    group = again["groups"][0]
    assert group["by"] == {"name": "floor"}
    assert {"extrapolation_rmsle", "weight"} <= set(group["laws"]["power"])
    assert set(group["chosen"]) == {"law", "extrapolation_rmsle"}
    assert set(group["averaged"]) == {"extrapolation_rmsle"}
    made = fit_file(
        path,
        "power_floor",
        XY,
        where=["name==floor"],
        resamples=50,
    )
    save_fit(made, tmp_path / "fit.json")
    save_fit_figure(made, tmp_path / "fit.svg")
    assert json.loads((tmp_path / "fit.json").read_text())["rows"] == made.rows == 40
    assert "<svg" in (tmp_path / "fit.svg").read_text()


def test_a_law_file_of_the_users_own(tmp_path):
    curves().where(name="floor").to_csv(tmp_path / "t.csv")
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from allometry.laws import Law, Parameter\n"
        "LAW = Law(name='mine', formula='y = E + A x^-1/2', source='me', sizes=('x',),\n"
        "    response='y', centring='none', linear=('E', 'A'),\n"
        "    parameters=(Parameter('E', 'floor', start=(0, 1)),\n"
        "                Parameter('A', 'scale', start=(0, 30))),\n"
        "    value=lambda p, s: p['E'] + p['A'] * s['x'] ** -0.5)\n"
    )
    made = fit_file(tmp_path / "t.csv", str(tmp_path / "mine.py"), XY, resamples=50)
    assert made.values == pytest.approx({"E": 0.7, "A": 20}, rel=0.02)
    (tmp_path / "bad.py").write_text("1/0\n")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        fit_file(tmp_path / "t.csv", str(tmp_path / "bad.py"), XY)
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(UsageError, match="define LAW"):
        fit_file(tmp_path / "t.csv", str(tmp_path / "none.py"), XY)


def test_rmsle_is_of_natural_logs_and_infinite_for_impossible_values():
    assert errors(np.array([1.0, np.e]), np.array([1.0, 1.0])).rmsle == pytest.approx(np.sqrt(0.5))
    assert errors(np.array([-1.0]), np.array([1.0])).rmsle == np.inf
    assert np.isnan(errors(np.array([1.0]), np.array([-1.0])).rmsle)
    assert errors(np.array([1.0, 4.0]), np.array([-1.0, 2.0])).rmse == pytest.approx(2.0)
    assert document([])["groups"] == []


def test_a_law_under_two_names_is_solved_once_and_stands_under_both(monkeypatch):
    from allometry.fitting import group as module

    solved = []
    monkeypatch.setattr(
        module, "fit_with", lambda *a, **k: solved.append(a[1].name) or fit_with(*a, **k)
    )
    names = ["m2", "power_floor", "m1"]
    group = compare(curves().where(name="floor"), XY, names, backtest=False, delta=0.05)[0]
    assert solved == ["power_floor", "power"]
    assert list(group.laws) == ["m2", "power_floor", "m1"]
    first, second = group.laws["m2"], group.laws["power_floor"]
    assert first.law == "m2" and first.fit is second.fit and first.weight == second.weight
    assert group.chosen == "m2" and first.fit.law.name == "power_floor"


def test_a_comparison_shows_itself_in_twelve_lines_and_as_a_table():
    x = np.geomspace(1e3, 1e6, 12)
    table = Table({"N": x, "L": 0.2 + 5 * x**-0.3 * (1 + 0.003 * np.sin(np.arange(12)))})
    laws = ["power", "power_floor", "bnsl3"]
    (comparison,) = compare(table, {"x": "N", "y": "L"}, laws, starts=4)
    text, html = repr(comparison), comparison._repr_html_()
    assert len(text.splitlines()) <= 12
    assert f"Comparison of 3 laws: {comparison.chosen} chosen; 12 rows" in text
    for name, score in comparison.laws.items():
        assert re.search(rf"^  {name} .*{score.weight:.3f}", text, re.M)
        assert f"<td>{name}</td>" in html
