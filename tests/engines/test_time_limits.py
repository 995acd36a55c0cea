"""The time limit of a SLURM job: as sbatch reads it, and in words where a pack comes to it."""

import signal

import pytest

from allometry.engines.resources import Needs
from allometry.engines.time_limits import (
    asked_minutes,
    at_the_limit,
    late_in_words,
    may_be_late,
    minutes_of,
)
from allometry.errors import UnavailableError, UsageError

HOUR, DAY = 60, 24 * 60


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        # The forms of `man sbatch`.
        ("30", 30), ("90:00", 90), ("90:01", 91), ("02:00:00", 120), ("1-12", DAY + 12 * HOUR),
        ("1-12:30", DAY + 12 * HOUR + 30), ("2-0:0:30", 2 * DAY + 1), ("0:30", 1),
        ("UNLIMITED", 365 * DAY), ("infinite", 365 * DAY), ("0", 365 * DAY),
    ],
)  # fmt: skip
def test_a_time_limit_is_read_as_sbatch_reads_it(text, minutes):
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "-5", "1-", "1.5", "2h", "1-2-3", "\u0661"])
def test_what_is_no_time_limit_is_refused(text):
    with pytest.raises(UsageError, match="SBATCH_TIMELIMIT: a time such as 30, 90:00"):
        minutes_of(text)


def test_the_limit_of_sbatch_takes_the_place_of_the_engines(monkeypatch):
    monkeypatch.delenv("SBATCH_TIMELIMIT", raising=False)
    assert asked_minutes(60) == 60
    monkeypatch.setenv("SBATCH_TIMELIMIT", "00:30:00")
    assert asked_minutes(60) == 30


def test_a_pack_at_its_limit_says_the_limit_the_prediction_and_what_to_do():
    said = late_in_words(Needs(seconds=2.5 * 3600), 60)
    assert "time limit of 60 min (predicted for the pack: 2.5 h)" in said
    assert "SBATCH_TIMELIMIT=05:00:00" in said and "SlurmEngine(minutes=300)" in said
    assert "--seeds" in said and "--engine local" in said
    assert "predicted" not in late_in_words(Needs(), 60)
    assert "SBATCH_TIMELIMIT=02:00:00" in late_in_words(Needs(), 60)


def test_a_pack_that_is_predicted_to_be_late_is_told_of_before_it_is_submitted():
    said = may_be_late(Needs(seconds=7200.0), 60)
    assert "take 2 h on this machine, and the time limit of its job is 60 min" in said
    assert not may_be_late(Needs(seconds=3599.0), 60) and not may_be_late(Needs(), 60)


def test_packs_that_differ_in_their_seconds_alone_share_an_array():
    assert Needs(cpus=2, seconds=1.0) == Needs(cpus=2, seconds=2.0) != Needs(cpus=1, seconds=1.0)


def test_the_signal_before_the_limit_ends_a_run_in_these_words():
    submitit = pytest.importorskip("submitit")

    def as_submitit(signum, frame):
        raise submitit.core.utils.UncompletedJobError("timed-out and not checkpointable")

    before = signal.signal(signal.SIGUSR2, as_submitit)
    try:
        with (
            pytest.raises(UnavailableError, match="these words"),
            at_the_limit(submitit, "these words"),
        ):
            signal.raise_signal(signal.SIGUSR2)
        assert signal.getsignal(signal.SIGUSR2) is as_submitit
    finally:
        signal.signal(signal.SIGUSR2, before)
