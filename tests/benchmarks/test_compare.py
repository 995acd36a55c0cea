"""Two commits timed in turns: the rule, the order, and two real checkouts of a tiny package."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.compare import FailedError, Side, Workload, both_sides, judge, measure

from benchmarks import compare
from tests import ROOT

STEADY = [1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 0.99]
TINY = """
import sys, time
time.sleep({seconds})
if sys.argv[1] == "status":
    sys.exit("no such thing")
"""


# ---- the rule -------------------------------------------------------------------------------


def test_a_clear_change_has_moved_and_its_interval_holds_the_ratio():
    verdict = judge(STEADY, [1.2 * t for t in STEADY])
    assert verdict.moved
    assert verdict.interval[0] <= verdict.ratio <= verdict.interval[1]
    assert verdict.ratio == pytest.approx(1.2)


def test_a_change_within_the_spread_of_a_side_has_not_moved():
    """The pairs agree on 2%, yet each side spreads over 40%."""
    drift = np.linspace(1, 1.8, 8)
    verdict = judge(drift, 1.02 * drift)
    assert verdict.interval[0] > 1
    assert not verdict.moved


def test_medians_far_apart_have_not_moved_where_the_pairs_disagree():
    base, new = [1, 1, 1, 1, 1, 1.1, 3, 3], [2, 2, 2, 2, 2, 1, 1, 1]
    verdict = judge(base, new)
    assert verdict.interval[0] <= 1 <= verdict.interval[1]
    assert not verdict.moved


def test_fewer_than_six_rounds_tell_nothing():
    assert judge([1.0] * 5, [2.0] * 5).interval is None
    assert not judge([1.0] * 5, [2.0] * 5).moved
    assert judge([1.0] * 6, [2.0] * 6).moved


def test_of_equal_sides_at_most_one_in_twenty_moves():
    """Times of both sides from one distribution, 400 times; the rule's own bound is 5%, and 34
    of 400 is beyond the 99.9% quantile of a binomial distribution with it."""
    rng = np.random.default_rng(0)
    moved = sum(judge(*rng.lognormal(0, 0.05, (2, 8))).moved for _ in range(400))
    assert moved < 34


# ---- in turns -------------------------------------------------------------------------------


def sides():
    return tuple(Side(name, Path(), Path()) for name in ("base", "new"))


def test_sides_take_turns_and_the_first_round_does_not_count():
    calls, value = [], iter(range(100))

    def timed(name):
        return lambda side: calls.append((name, side.name)) or next(value)

    times, failed = measure([Workload(n, "s", timed(n)) for n in "xy"], sides(), 2)
    of_x = [side for name, side in calls if name == "x"]
    assert of_x == ["new", "base", "base", "new", "new", "base"]
    assert [name for name, _ in calls[:4]] == ["x", "x", "y", "y"]  # one straight after the other
    assert times == {"x": ([4, 9], [5, 8]), "y": ([6, 11], [7, 10])}
    assert not failed


def test_a_workload_that_fails_on_a_side_is_named_and_the_others_go_on():
    def fails(side):
        if side.name == "base":
            raise FailedError("exit code 2: no such command")
        return 1.0

    times, failed = measure(
        [Workload("new one", "s", fails), Workload("old one", "s", lambda side: 1.0)], sides(), 1
    )
    assert failed == {"new one": "base: exit code 2: no such command"}
    assert times == {"old one": ([1.0], [1.0])}


# ---- two checkouts --------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A package called allometry, committed; in the working tree it is slower by 0.2 s."""
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "cache"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository"
    package = folder / "src" / "allometry"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(TINY.format(seconds=0), encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "base")
    (package / "__main__.py").write_text(TINY.format(seconds=0.2), encoding="utf-8")
    return folder


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def worktrees(repository):
    return git(repository, "worktree", "list", "--porcelain").count("worktree ")


def test_two_checkouts_are_compared_and_the_slower_is_marked(repository, tmp_path, capsys):
    file = tmp_path / "compare.json"
    only = ["--only", "list", "status", "--rounds", "6", "--json", str(file)]
    assert compare.main(["HEAD", *only], repository) == 1  # `status` fails
    out = capsys.readouterr().out
    assert re.search(r"^list .*SLOWER$", out, re.M)
    assert re.search(r"^status .*not compared: .*exit code 1: ", out, re.M)
    document = json.loads(file.read_text("utf-8"))
    assert document["machine"]["cpu"]
    listed = document["workloads"]["list"]
    assert len(listed["times"][0]) == 6
    assert listed["new"] - listed["base"] == pytest.approx(0.2, abs=0.15)
    assert worktrees(repository) == 1


def test_a_wrong_commit_is_named(repository, capsys):
    assert compare.main(["nowhere", "--only", "list"], repository) == 2
    assert "git knows no commit 'nowhere'" in capsys.readouterr().err


def test_a_tree_that_runs_another_package_is_refused(repository):
    (repository / "src" / "allometry" / "__init__.py").write_text("__path__ = ['/']\n", "utf-8")
    with (
        pytest.raises(FailedError, match="does not run the package"),
        both_sides("HEAD", repository),
    ):
        pass
    assert worktrees(repository) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_removes_its_worktree(repository, number):
    (repository / "src" / "allometry" / "__main__.py").write_text(TINY.format(seconds=60), "utf-8")
    code = (
        "import sys; from pathlib import Path; from benchmarks import compare; "
        "sys.exit(compare.main(['HEAD', '--only', 'list'], Path(sys.argv[1])))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, repository], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env={**compare.os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'benchmarks'}"},
    ) as process:  # fmt: skip
        for _ in range(600):
            if worktrees(repository) == 2:
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "the worktree is removed" in err
    assert worktrees(repository) == 1
