"""The screen of `allometry status`: 80 columns, a date and a duration that a person reads."""

import time

import pytest

from allometry.cli.status_screen import status_lines
from allometry.store import StudyStatus


@pytest.fixture
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def entry(size, variant="", times=("2026-11-28T09:05:10", "2026-11-28T10:02:59"), seconds=12.34,
          **more):  # fmt: skip
    counts = {"declared": 95, "done": 80, "diverged": 5, "excluded": 0, "pending": 10, **more}
    return StudyStatus("mlp_parameter_scaling", size, variant, **counts,
                       first_finished=f"{times[0]}+00:00", last_finished=f"{times[1]}+00:00",
                       seconds=seconds)  # fmt: skip


def test_counts_stand_under_their_names_and_nothing_is_wider_than_a_terminal(in_utc):
    long = "train.optimizer.learning_rate=0.001,train.batch_size=64"
    entries = [
        entry("quick"),
        entry("quick", long, ("2026-11-28T09:05:10", "2026-12-01T10:02:59"), 90_000.0),
        entry("notebook", excluded=3, reasons=(("the disk was full", 2), ("a test", 1))),
    ]
    header, study, *lines = status_lines(entries)
    assert study == "mlp_parameter_scaling" and max(map(len, [header, *lines])) <= 80
    assert lines[0].startswith("  quick ")
    for name, count in (("declared", "95"), ("done", "80"), ("diverged", "5"), ("pending", "10")):
        end = header.index(name) + len(name)
        assert lines[0][:end].endswith(f" {count}")
    assert lines[1] == "    2026-11-28 09:05 to 10:02, 12.3 s of training"
    assert lines[2] == f"  quick, {long}" and lines[3].split() == ["95", "80", "5", "0", "10"]
    assert lines[4] == "    2026-11-28 09:05 to 2026-12-01 10:02, 25 h 0 min of training"
    assert lines[-2:] == ["    excluded, 2 runs: the disk was full", "    excluded, 1 run: a test"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.04 s"), (99.4, "99.4 s"), (150, "2 min"), (7500, "2 h 5 min"),
                          (864_000, "10 days")],
)  # fmt: skip
def test_a_duration_is_in_units_that_a_person_reads(in_utc, seconds, text):
    (_, _, _, dates) = status_lines([entry("quick", seconds=seconds)])
    assert dates.endswith(f", {text} of training")


def test_nothing_trained_has_no_date():
    waiting = StudyStatus("mine", "quick", "", 4, 0, 0, 0, 4)
    assert len(status_lines([waiting])) == 3
