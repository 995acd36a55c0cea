"""`fit --by`, `influence` and `multiverse`: what a person reads and what a script gets."""

import json
import re

import click
import numpy as np
import pytest

import allometry as al
from allometry import cli
from allometry.cli import fit_checks, laws
from allometry.fitting.influence import influence
from allometry.fitting.sealed import sealed
from tests.fitting.test_groups import FAMILIES

POWER = "--law power --map x=params --map y=error"
FLOOR = "--law power_floor --map x=params --map y=error"
SQUARES = "--objective squared_log"


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    """Exit code, stdout and stderr of a command line, in a folder with two tables."""
    FAMILIES.to_csv(tmp_path / "runs.csv")
    one = [*range(36), 0]
    short = FAMILIES.take(one).with_columns(family=[*FAMILIES["family"], "[tiny]"])
    short.to_csv(tmp_path / "short.csv")
    monkeypatch.chdir(tmp_path)

    def result(line):
        with pytest.raises(SystemExit) as ended:
            cli.main(line.split())
        return (ended.value.code, *capfd.readouterr())

    return result


def words(text):
    return " ".join(text.split())


# ---- fit --by -----------------------------------------------------------------------------------


def test_by_shows_a_row_for_each_group_and_the_difference(call):
    code, out, _ = call(f"fit runs.csv {POWER} --by family {SQUARES}")
    assert code == 0
    assert re.search(
        r"conv 18 9\.0 \[8\.\d, 10\.\d\] 0\.2698 \[0\.26\d\d, 0\.2[78]\d\d\] converged", words(out)
    )
    assert re.search(
        r"alpha conv − mixer 0\.061 \[0\.0(49|50|51), 0\.07[123]\] different", words(out)
    )
    assert "independent" in out


def test_shared_shows_the_joint_fit_and_its_test(call):
    code, out, _ = call(f"fit runs.csv {POWER} --by family --shared alpha {SQUARES}")
    assert code == 0
    assert "With alpha shared: y = A[family] x^-alpha" in words(out)
    assert "A[mixer] 6.3" in words(out) and "alpha 0.239" in words(out)
    assert "F(1, 32) = 133" in out and "the groups differ in alpha" in out


def test_a_short_group_is_named_with_its_reason_and_the_others_are_shown(call):
    code, out, _ = call(f"fit short.csv {POWER} --by family --shared alpha {SQUARES}")
    assert code == 0
    assert "[tiny] not fitted" in words(out)
    assert "family [tiny] was not fitted: law power has 2 parameters to fit" in words(out)
    assert "F(1, 32)" in out


def test_the_status_of_a_group_comes_before_all_tables(call):
    _, out, _ = call(f"fit runs.csv {FLOOR} --by family --filter params>3e5 --resamples 100")
    codes = [line.split(":")[0] for line in out.splitlines()[:1]]
    assert codes == ["family conv"] and out.index("family conv: ") < out.index("y = E + A")


def test_influence_says_first_where_the_fit_is_not_converged(call):
    _, out, _ = call(f"influence runs.csv {FLOOR} --resamples 100")
    assert out.startswith("not_identified: These rows do not determine E (only an upper bound)")


def test_more_than_one_pair_is_said_to_be_uncorrected(call):
    _, out, _ = call(f"fit runs.csv {POWER} --by seed --resamples 50")
    assert "95% for each pair, not corrected for 3 pairs" in out


def test_by_in_json_and_in_a_file_is_the_document_of_the_library(call, tmp_path):
    line = f"fit runs.csv {POWER} --by family --shared alpha {SQUARES} --resamples 50"
    _, out, _ = call(f"{line} --json -o groups.json")
    groups = al.fit_groups(
        FAMILIES, "power", {"x": "params", "y": "error"}, by="family", shared=["alpha"],
        objective="squared_log", resamples=50,
    )  # fmt: skip
    printed, written = json.loads(out), json.loads((tmp_path / "groups.json").read_text())
    assert written == sealed(printed)
    assert printed["schema"] == "allometry/fit_groups/1"
    for part in ("differences", "refused", "by", "formula"):
        assert printed[part] == json.loads(groups.to_json())[part]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--shared alpha", "name their columns with --by"),
        ("--by family --figure a.svg", "--figure is for one fit"),
        ("--by famly", "did you mean 'family'?"),
        ("--by family --shared alfa", "did you mean 'alpha'?"),
        ("--by family --shared A", "unless alpha is shared too"),
    ],
)
def test_groups_that_cannot_be_end_with_2(call, options, message):
    code, out, err = call(f"fit runs.csv {POWER} {options} --resamples 0")
    assert code == 2 and out == "" and message in err


# ---- influence ----------------------------------------------------------------------------------


def test_influence_begins_with_the_most_influential_line_of_the_file(call):
    code, out, _ = call(f"influence runs.csv {POWER} {SQUARES}")
    table = influence(FAMILIES, "power", {"x": "params", "y": "error"}, objective="squared_log")
    first = next(iter(table))
    assert code == 0
    assert f"line {first['left_out'] + 1} {first['shift']:.2f}" in words(out)
    assert "nothing" in out and "26 more" in out


def test_influence_of_groups_says_what_moves_by_how_much(call):
    code, out, _ = call(f"influence runs.csv {POWER} {SQUARES} --leave-out family")
    assert code == 0 and "family = conv" in out
    assert "standard errors." in out.strip().splitlines()[-1]


def test_influence_in_json_has_every_row_with_its_place(call):
    _, out, _ = call(f"influence runs.csv {POWER} --resamples 50 --json")
    document = json.loads(out)
    assert document["schema"] == "allometry/influence/1" and len(document["without"]) == 36
    assert document["without"][0]["place"].startswith("runs.csv, line ")
    assert set(document["all_rows"]) == {"A", "alpha"}


def test_an_outlier_is_the_most_influential_line(call, tmp_path):
    error = FAMILIES["error"].copy()
    error[0] *= 5  # the smallest size, where a row moves the slope most
    FAMILIES.with_columns(error=error).to_csv(tmp_path / "outlier.csv")
    _, out, _ = call(f"influence outlier.csv {POWER} {SQUARES}")
    assert "Without line 2," in out


def test_influence_without_resamples_says_that_shifts_have_no_yardstick(call):
    code, out, _ = call(f"influence runs.csv {POWER} --resamples 0")
    assert code == 0 and "use --resamples" in out
    assert "0.00" not in out and "smaller shift" not in out


# ---- multiverse ---------------------------------------------------------------------------------


def test_multiverse_shows_a_row_for_each_combination_and_the_range(call):
    code, out, _ = call(f"multiverse runs.csv {POWER} --try-filter params>30000 --resamples 50")
    assert code == 0
    assert out.count("huber_log") == 4 and out.count("squared_log") == 2
    assert "all but params>30000" in out and "Over these 6 fits" in out


def test_multiverse_without_resamples_shows_values(call):
    code, out, _ = call(
        f"multiverse runs.csv {POWER} --resamples 0 --try-drop-largest x:3 --try-drop-largest x:6"
    )
    assert code == 0 and "3 largest x" in out and "6 largest x" in out
    assert "Rows left out of every fit" not in out
    assert "Over these 9 fits" in out


def test_multiverse_says_once_which_rows_every_fit_leaves_out(call):
    line = f"multiverse runs.csv {POWER} --filter family==conv --try-filter params>30000"
    _, out, _ = call(f"{line} --resamples 20")
    assert out.count("family==conv") == 1 and out.count("all but params>30000") == 3
    assert "Rows left out of every fit: all but family==conv." in out


def test_many_quantities_of_groups_stand_below_each_other(call, tmp_path):
    """Seven quantities of two groups do not fit beside each other in 80 columns."""
    rng = np.random.default_rng(0)
    n, d = np.geomspace(1e7, 1e10, 8).repeat(4), np.tile(np.geomspace(1e9, 1e12, 4), 8)
    loss = (1.8 + 480 * n**-0.35 + 2100 * d**-0.37) * np.exp(0.003 * rng.normal(size=(2, 32)))
    table = {"set": ["web"] * 32 + ["code"] * 32, "N": np.tile(n, 2), "D": np.tile(d, 2)}
    al.Table({**table, "L": loss.ravel()}).to_csv(tmp_path / "sets.csv")
    columns = "--map N=N --map D=D --map L=L --by set --resamples 50"
    _, out, _ = call(f"fit sets.csv --law chinchilla {columns}")
    rows = [line.split() for line in out.splitlines()]
    assert [row[:3] for row in rows if row[:1] in (["web"], ["code"])] == [
        ["web", "32", "E"],
        ["code", "32", "E"],
    ]
    assert sum(row[:1] == ["alpha"] and row[1].startswith("0.3") for row in rows) == 2


def test_multiverse_tries_objectives_rows_and_columns(call):
    line = (
        f"multiverse runs.csv {POWER} --try-objective squared_log --try-objective huber_log:0.1 "
        "--try-drop-largest x:3 --try-map y=error --filter family==conv --resamples 20 --json"
    )
    _, out, _ = call(line)
    document = json.loads(out)
    assert document["schema"] == "allometry/multiverse/1"
    assert [(fit["counting"], fit["objective"], fit["rows"]) for fit in document["fits"]] == [
        (counting, objective, rows)
        for counting in ("as mapped", "y=error")
        for objective in ("squared_log", "huber_log")
        for rows in (18, 15)
    ]
    x, y = np.log(FAMILIES["params"][:18]), np.log(FAMILIES["error"][:18])
    assert document["fits"][0]["alpha"] == pytest.approx(-np.polyfit(x, y, 1)[0], rel=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--try-objective squared_lgo", "did you mean 'squared_log'?"),
        ("--try-objective squared:1", "squared has no delta"),
        ("--try-objective huber_log:much", "a number is expected"),
        ("--try-map z=error", "a symbol of --map expected"),
        ("--try-drop-largest x", "whole number K expected"),
    ],
)
def test_choices_that_cannot_be_end_with_2(call, options, message):
    code, out, err = call(f"multiverse runs.csv {POWER} {options}")
    assert code == 2 and out == "" and message in err


@pytest.mark.parametrize("command", [fit_checks.influence, fit_checks.multiverse])
def test_their_options_are_those_of_fit(command):
    of_fit = {option.name: option for option in laws.fit.params}
    shared = [option for option in command.params if option.name in of_fit]
    different = {option.name for option in shared if option is not of_fit[option.name]}
    assert different == {"resamples"} and len(shared) > 10
    assert isinstance(command, click.Command) and command.help
