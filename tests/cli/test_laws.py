"""The commands on a table: what they say of how it was read, and of mappings that cannot be."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from allometry import cli
from allometry.cli.terminal import show_comparison, show_line

ROWS = "\n".join(f"{x:.0f};{2 + 60 * x**-0.25:.6f}" for x in np.geomspace(1e6, 1e10, 9))


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    """Exit code, stdout and stderr of a command line, in a folder with `runs.csv`."""
    (tmp_path / "runs.csv").write_text("log_n;loss\n" + ROWS + "\n")
    monkeypatch.chdir(tmp_path)

    def result(line):
        with pytest.raises(SystemExit) as ended:
            cli.main(line.split())
        return (ended.value.code, *capfd.readouterr())

    return result


MAPPED = "--map x=log_n --map y=loss"


def test_fit_prints_how_the_table_was_read(call):
    code, out, _ = call(f"fit runs.csv --law power {MAPPED} --starts 4 --resamples 0")
    assert code == 0 and "separated by semicolons" in out and "looks like logarithms" in out


def test_a_status_other_than_converged_is_the_first_thing_printed(call):
    """Two sizes, three parameters: the law has no row to spare."""
    Path("few.csv").write_text("x,y\n1e3,0.31\n1e4,0.172\n1e5,0.094\n")
    code, out, _ = call("fit few.csv --law power_floor --map x=x --map y=y")
    assert code == 0 and out.startswith("no_spare_rows: 3 rows for 3 free parameters")
    assert out.count("no_spare_rows") == 1 and "\n\ny = E + A x^-alpha" in out


def test_converged_is_the_last_line(call):
    code, out, _ = call("fit runs.csv --law power --map x=log_n --map y=loss --resamples 100")
    assert code == 0 and out.startswith("y = A x^-alpha")
    assert out.splitlines()[-1].startswith("converged: ")


def test_compare_prints_it_and_has_it_in_its_document(call):
    line = f"compare runs.csv --laws power --laws power_floor,exponential {MAPPED}"
    code, out, _ = call(line)
    assert code == 0 and "separated by semicolons" in out
    code, out, _ = call(f"{line} --json")
    document = json.loads(out)
    assert list(document["groups"][0]["laws"]) == ["power", "power_floor", "exponential"]
    assert len(document["notes"]) == 2 and "semicolons" in document["notes"][0]


def test_predictions_are_printed_and_stand_in_the_document(call):
    line = f"fit runs.csv --law power {MAPPED} --starts 4 --predict x=1e11 --predict log_n=1e7"
    code, out, _ = call(line)
    assert code == 0 and "x = 1e+11" in out and "x 10.0 times the largest fitted" in out
    assert "one new run" in out and "within the fitted sizes" in out
    code, out, _ = call(f"{line} --json")
    far, near = json.loads(out)["predictions"]
    assert far["sizes"] == {"x": 1e11} and far["beyond"]["x"] == pytest.approx(10)
    assert near["beyond"] == {"x": 1.0} and near["within"] and not far["within"]
    assert far["run_low"] < far["low"] < far["mean"] < far["high"] < far["run_high"]


def test_one_prediction_has_one_value_of_a_size(call):
    code, _, error = call(f"fit runs.csv --law power {MAPPED} --predict x=1e7,x=1e8")
    assert code == 2 and "twice" in error


def test_a_status_other_than_converged_is_the_first_line(call):
    line = f"runs.csv --law power_floor {MAPPED} --drop-largest x:6"
    code, out, _ = call(f"fit {line}")
    assert code == 0 and out.startswith("no_spare_rows: ") and out.count("no_spare_rows") == 1
    code, out, _ = call(f"influence {line}")
    assert code == 0 and out.startswith("no_spare_rows: ") and out.count("no_spare_rows") == 1
    code, out, _ = call(f"fit runs.csv --law power {MAPPED}")
    assert code == 0 and out.splitlines()[-1].startswith("converged: ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fit runs.csv --law power --map x=loss --map y=loss", "mapped to both x and y"),
        ("compare runs.csv --laws power --map x=loss --map y=loss", "mapped to both x and y"),
        ("fit runs.csv --law power --map x=loss --map x=log_n --map y=loss", "--map gives x twice"),
        ("fit runs.csv --law powr --map x=log_n --map y=loss", "did you mean 'power'?"),
        ("fit runs.csv --law power --map x=logn --map y=loss", "did you mean 'log_n'?"),
        ("fit runs.csv --lw power --map x=log_n --map y=loss", "--law"),
        (f"fit runs.csv --law power {MAPPED} --predict N=1e9", "'N' is not a size of law power"),
        (f"fit runs.csv --law power {MAPPED} --predict loss=2", "'loss' is not a size of law"),
        (f"fit runs.csv --law power {MAPPED} --predict x=-1", "needs a positive x, got -1"),
        (f"fit runs.csv --law power {MAPPED} --predict x=large", "a number expected, got 'large'"),
        (f"fit runs.csv --law power {MAPPED} --predict 1e9", "SYMBOL=VALUE"),
        ("fit runs.xlsx --law power --map x=log_n --map y=loss", "no file runs.xlsx"),
    ],
)
def test_a_mapping_or_name_that_cannot_be_ends_with_2(call, line, words):
    code, out, err = call(line)
    assert code == 2 and out == "" and words in err


def test_help_says_what_objectives_intervals_and_clusters_are(call):
    code, out, _ = call("fit --help")
    said = " ".join(out.split())
    assert code == 0
    for words in (
        "squared_log: squared residuals of log y, for relative errors",
        "squared: squares of y - f",
        "fractional: to all rows with random weights",
        "profile: profile likelihood",
        "checkpoints of one run (its column)",
        "in units of y",
    ):
        assert words in said
    _, out, _ = call("compare --help")
    assert "squares of y - f" in " ".join(out.split())


FAMILIES = "family,x,y,w\n" + "\n".join(
    f"{name},{x:.0f},{y:.5f},1"
    for name, rows in (("conv", 9), ("mixer", 1))
    for x, y in zip(
        np.geomspace(1e2, 1e5, 9)[:rows], 3 * np.geomspace(1e2, 1e5, 9) ** -0.3, strict=False
    )
)
COMPARED = "compare families.csv --laws power,power_floor --map x=x --map y=y"


def test_compare_prints_status_equal_rows_and_a_group_that_is_too_short(call):
    Path("families.csv").write_text(f"{FAMILIES}\nconv,100,0.75357,1\n")
    code, out, _ = call(f"{COMPARED} --by family")
    assert code == 0 and "converged" in out and "1 row equals an earlier one; kept." in out
    assert "not compared: none of the laws could be fitted in family=mixer: law power has" in out
    code, out, _ = call(f"{COMPARED} --by family --json")
    groups = json.loads(out)["groups"]
    assert [g["chosen"] and g["chosen"]["law"] for g in groups] == ["power", None]
    assert groups[0]["laws"]["power"]["status"]["code"] == "converged"


def test_compare_takes_the_options_of_fit(call):
    Path("families.csv").write_text(FAMILIES)
    options = "--filter family==conv --drop-largest x:2 --weights w --starts 5 --seed 3"
    code, out, _ = call(f"{COMPARED} {options} --fixed alpha=0.25 --json")
    group = json.loads(out)["groups"][0]
    assert code == 0 and group["rows"] == 7 and group["left_out"] == 0
    assert {law["parameters"]["alpha"] for law in group["laws"].values()} == {0.25}
    for option in ("--filter", "--drop-largest", "--starts", "--seed", "--weights", "--noise",
                   "--fixed", "--objective"):  # fmt: skip
        fit, compare = (
            next(p for p in command.params if option in p.opts)
            for command in (cli.laws.fit, cli.laws.compare)
        )
        assert fit.to_info_dict() == compare.to_info_dict()


def test_compare_says_first_where_the_fit_of_the_chosen_law_is_not_converged(capfd):
    score = {"weight": 1.0, "reason": "", "extrapolation_rmsle": None, "backtest_rmsle": 0.1,
             "status": {"code": "not_converged", "advice": "Use more starts."}}  # fmt: skip
    group = {
        "by": {}, "reason": "", "rows": 9, "notes": [], "cannot_tell": "", "measure": "rmsle",
        "objective": {"name": "huber_log", "delta": 0.01}, "laws": {"power": score},
        "chosen": {"law": "power"}, "averaged": {"extrapolation_rmsle": None},
    }  # fmt: skip
    show_comparison({"groups": [group], "notes": []})
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "power is chosen, but its fit is not_converged: Use more starts."
    assert any("power" in line and "not_converged" in line for line in lines[1:])
    assert "back-test RMSLE" in "".join(lines) and "extrapolation" not in "".join(lines)


@pytest.mark.parametrize(("terminal", "lines"), [(True, 3), (False, 1)])
def test_sentences_wrap_between_words_on_a_terminal_only(terminal, lines):
    out = io.StringIO()
    console = Console(file=out, width=20, force_terminal=terminal, color_system=None)
    show_line(console, "These rows do not determine the exponent.")
    written = out.getvalue().splitlines()
    assert len(written) == lines and " ".join(line.strip() for line in written) == (
        "These rows do not determine the exponent."
    )


def test_fit_begins_where_start_says(call):
    line = f"fit runs.csv --law power_floor {MAPPED} --objective squared --resamples 0"
    code, out, _ = call(f"{line} --start E=1.9 --start alpha=0.3 --starts 1 --json")
    document = json.loads(out)
    assert code == 0 and document["certificate"]["starts"] == 1
    assert document["parameters"]["E"]["value"] == pytest.approx(2, rel=1e-3)
    code, out, err = call(f"{line} --start e=1.9")
    assert code == 2 and out == "" and "no parameter e to start from" in err
    code, _, err = call(f"{line} --start E=much")
    assert code == 2 and "--start" in err
