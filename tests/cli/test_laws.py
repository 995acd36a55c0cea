"""The commands on a table: what they say of how it was read, and of mappings that cannot be."""

import json

import numpy as np
import pytest

from allometry import cli

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


def test_compare_prints_it_and_has_it_in_its_document(call):
    line = f"compare runs.csv --laws power --laws power_floor,exponential {MAPPED}"
    code, out, _ = call(line)
    assert code == 0 and "separated by semicolons" in out
    code, out, _ = call(f"{line} --json")
    document = json.loads(out)
    assert list(document["groups"][0]["laws"]) == ["power", "power_floor", "exponential"]
    assert len(document["notes"]) == 2 and "semicolons" in document["notes"][0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fit runs.csv --law power --map x=loss --map y=loss", "mapped to both x and y"),
        ("compare runs.csv --laws power --map x=loss --map y=loss", "mapped to both x and y"),
        ("fit runs.csv --law power --map x=loss --map x=log_n --map y=loss", "--map gives x twice"),
        ("fit runs.csv --law powr --map x=log_n --map y=loss", "did you mean 'power'?"),
        ("fit runs.csv --law power --map x=logn --map y=loss", "did you mean 'log_n'?"),
        ("fit runs.csv --lw power --map x=log_n --map y=loss", "--law"),
        ("fit runs.xlsx --law power --map x=log_n --map y=loss", "no file runs.xlsx"),
    ],
)
def test_a_mapping_or_name_that_cannot_be_ends_with_2(call, line, words):
    code, out, err = call(line)
    assert code == 2 and out == "" and words in err


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
