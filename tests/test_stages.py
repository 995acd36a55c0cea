"""Runs planned from the results of others: the plan is in the store before its runs are."""

import math
import sqlite3
from dataclasses import replace

import pytest

import allometry as al
from allometry import Stage
from allometry.engines import Finished
from allometry.errors import DataError, UsageError
from allometry.run import run
from allometry.store import Store
from allometry.store import plans as store_plans
from allometry.store.copies import merge
from tests.store.cases import PROVENANCE, Imagined, InPacks, listed, result, study

FIRST, BEST, LARGEST = 4, "around the best", "largest"


def later(size, table):
    """Two widths beyond the one with the least loss, then one of the sum of all widths."""
    done = table.take(table["status"] == "done")
    widths = table["n_params"].tolist()
    if len(widths) == FIRST:
        best = int(done["n_params"][done["test_loss"].argmin()])
        runs = listed(20 + best, (42,))[-2:]
        return Stage(BEST, runs, {"best": best, "size": size, "losses": [0.5, 1e-17]})
    if len(widths) == FIRST + 2:
        return Stage(LARGEST, listed(sum(widths), (42,))[-1:], {"loss": 0.25})
    return None


def staged(**fields):
    return replace(study(FIRST, seeds=1), later=later, **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


def test_every_stage_is_planned_from_all_runs_before_it_and_nothing_is_done_twice(path):
    engine = Imagined()
    outcome = run(staged(), store=path, engine=engine)
    widths = outcome.table["n_params"].tolist()
    assert widths[:FIRST] == [1, 2, 3, 4] and len(widths) == FIRST + 3
    assert widths[-1] == sum(widths[:-1])
    assert (outcome.trained, outcome.stored_before, outcome.pending) == (7, 0, 0)
    again = run(staged(), store=path, engine=engine)
    assert (again.trained, again.stored_before, again.pending) == (0, 7, 0)
    assert again.table["run_id"].tolist() == outcome.table["run_id"].tolist()
    assert len(engine.trained) == 7
    assert al.table(staged(), store=path)["n_params"].tolist() == widths
    with Store(path) as store:
        (status,) = store.status()
    assert (status.declared, status.pending) == (7, 0)


def test_a_plan_is_on_disk_before_any_of_its_runs_is_declared_and_keeps_its_time(path):
    """Looked at by a second connection whenever a pack is about to be trained."""
    seen = []

    def look(pack):
        with Store(path) as store:
            plans = store.plans("tiny", "quick")
            declared = store.declared("tiny", "quick")
        names = {spec.run_id for spec in pack}
        planned = [plan for plan in plans if names <= set(plan.runs)]
        seen.append((len(declared), [plan.stage for plan in planned], planned))

    table = run(staged(), store=path, engine=Imagined(look)).table
    stages = [stages for _, stages, _ in seen]
    assert stages == [[], [], [BEST], [LARGEST]]
    assert [plan.stage for plan in table.plans] == [BEST, LARGEST]
    best, largest = table.plans
    assert best.predicted["losses"] == [0.5, 1e-17] and largest.predicted == {"loss": 0.25}
    assert best.trained_at.keys() == set(best.runs) and len(best.runs) == 2
    assert all(plan.made_at <= t for plan in table.plans for t in plan.trained_at.values())
    again = run(staged(), store=path, engine=Imagined()).table
    assert [plan.made_at for plan in again.plans] == [best.made_at, largest.made_at]
    assert table.take([0]).plans == table.without("seconds").plans == table.plans


def test_the_same_plan_twice_keeps_the_time_of_the_first(path, monkeypatch):
    runs = listed(3, (42,))
    times = iter(["2026-01-02", "2026-01-01", "2026-01-03"])
    monkeypatch.setattr("allometry.store.decisions.now", lambda: next(times))
    with Store(path, write=True) as store:
        assert store.plan("tiny", "quick", "", "a", runs, {"loss": 1})
        assert not store.plan("tiny", "quick", "", "a", runs, {"loss": 1})
        assert store.plan("tiny", "quick", "", "a", runs, {"loss": 2})
        (first, second) = store.plans("tiny", "quick")
    assert (first.made_at, first.predicted) == ("2026-01-02", {"loss": 1})
    assert (second.made_at, second.predicted) == ("2026-01-03", {"loss": 2})


def test_stopped_between_or_within_stages_it_ends_as_if_never_stopped(path, tmp_path):
    one_by_one = staged(procedure=InPacks(2))
    whole = run(one_by_one, store=tmp_path / "whole.db", engine=Imagined()).table
    for packs in range(1, 5):
        store = tmp_path / f"{packs}.db"

        class Stopping(Imagined):
            left = packs

            def run(self, some, *rest):
                for pack in some:
                    if not Stopping.left:
                        raise KeyboardInterrupt
                    Stopping.left -= 1
                    yield Finished([result(spec) for spec in pack.specs], PROVENANCE)

        if packs < 4:
            with pytest.raises(KeyboardInterrupt):
                run(one_by_one, store=store, engine=Stopping())
        ended = run(one_by_one, store=store, engine=Imagined())
        assert ended.pending == 0
        assert ended.table["run_id"].tolist() == whole["run_id"].tolist()
        assert [plan.stage for plan in ended.table.plans] == [BEST, LARGEST]


def test_no_stage_is_planned_while_runs_before_it_failed(path):
    class Failing(Imagined):
        def run(self, packs, *rest):
            yield from super().run(packs[:1], *rest)

    outcome = run(staged(), store=path, engine=Failing())
    assert (outcome.trained, outcome.pending) == (3, 1) and outcome.table.plans == ()


def test_excluded_runs_are_not_planned_from(path):
    seen = []

    def watched(size, table):
        seen.append(table)
        return

    run(staged(), store=path, engine=Imagined())
    with Store(path, write=True) as store:
        names = store.declared("tiny", "quick")
        store.exclude(names[:1], "overheated")
    run(replace(staged(), later=watched), store=path, engine=Imagined())
    assert seen[-1]["n_params"].tolist() == [2, 3, 4] and "excluded_because" not in seen[-1]


def test_a_planned_run_that_is_excluded_is_not_planned_and_made_again(path):
    run(staged(), store=path, engine=Imagined())
    with Store(path, write=True) as store:
        assert store.exclude(store.declared("tiny", "quick")[-1:], "overheated") == 1
    engine = Imagined()
    again = run(staged(), store=path, engine=engine)
    assert (again.trained, again.pending, again.excluded, engine.trained) == (0, 0, 1, [])
    assert len(again.table) == FIRST + 3 and len(again.table.plans) == 2


def test_changes_apply_to_later_runs_too(path):
    outcome = run(staged(), store=path, engine=Imagined(), changes={"train.epochs": 5})
    assert len(outcome.table) == 7
    with Store(path) as store:
        assert store.plans("tiny", "quick") == []
        assert len(store.plans("tiny", "quick", "train.epochs=5")) == 2


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("runs", r"must return a Stage\(name, runs=\[...\]\) or None, got 'runs'"),
        (Stage("x", []), "stage 'x' has no runs"),
        (Stage("x", ["spec"]), "stage 'x': runs must be a list of RunSpec"),
        (Stage("x", listed(2, (42,))), "2 runs that are already in the table"),
        (Stage("x", listed(6, (42,))[-1:] * 2), "two runs of size 'quick' are the same"),
        (Stage("x", listed(9, (42,))[-1:], {"loss": math.nan}), "takes JSON data, finite numbers"),
        (Stage("x", listed(9, (42,))[-1:], {"loss": {1, 2}}), "takes JSON data, finite numbers"),
    ],
)
def test_what_is_no_stage_is_refused_in_words_and_costs_no_run(path, gives, said):
    with pytest.raises(UsageError, match=said):
        run(replace(staged(), later=lambda size, table: gives), store=path, engine=Imagined())
    with Store(path) as store:
        assert len(store.run_ids()) == FIRST and store.plans("tiny", "quick") == []


def test_a_damaged_plan_is_named_set_aside_and_made_again_with_its_new_time(path, monkeypatch):
    table = run(staged(), store=path, engine=Imagined()).table
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE plans SET made_at = '1999' WHERE stage = ?", (BEST,))
    raw.close()
    with Store(path) as store:
        assert [one.what for one in store.verify().damaged] == ["the plan of a stage is damaged"]
        with pytest.raises(DataError, match="the plan of a stage is damaged"):
            store.plans("tiny", "quick")
        found = store.salvage(path.with_name("whole.db"))
        assert len(found.damaged) == 1
    monkeypatch.setattr("allometry.store.decisions.now", lambda: "2999-01-01")
    again = run(staged(), store=path, engine=Imagined())
    assert again.trained == 0 and again.table["run_id"].tolist() == table["run_id"].tolist()
    by_stage = {plan.stage: plan.made_at for plan in again.table.plans}
    assert by_stage == {BEST: "2999-01-01", LARGEST: table.plans[1].made_at}
    with Store(path.with_name("whole.db")) as store:
        assert [plan.stage for plan in store.plans("tiny", "quick")] == [LARGEST]
    with sqlite3.connect(path) as raw:
        (aside,) = raw.execute("SELECT what FROM quarantine").fetchall()
    raw.close()
    assert aside == ("the plan of a stage is damaged",)


def test_merged_stores_keep_the_earlier_time_of_a_plan_and_forget_removes_it(tmp_path, monkeypatch):
    times = {"a.db": "2026-01-02", "b.db": "2026-01-01"}
    for name, time in times.items():
        monkeypatch.setattr("allometry.store.decisions.now", lambda time=time: time)
        run(staged(), store=tmp_path / name, engine=Imagined())
    merge([tmp_path / name for name in times], tmp_path / "both.db")
    with Store(tmp_path / "both.db", write=True) as store:
        plans = store.plans("tiny", "quick")
        assert [(plan.stage, plan.made_at) for plan in plans] == [
            (BEST, "2026-01-01"), (LARGEST, "2026-01-01"),
        ]  # fmt: skip
        assert store.verify().damaged == ()
        store.forget(store.run_ids(), [("tiny", "quick", "")])
        assert store.plans("tiny", "quick") == []


def test_a_plan_from_elsewhere_under_a_right_hash_is_refused(path):
    run(staged(), store=path, engine=Imagined())
    named = ("tiny", "quick", "", "x", '{"runs": 3}')
    row = (store_plans.digest(*named), *named, "2026-01-01")
    with sqlite3.connect(path) as raw:
        raw.execute(store_plans.INSERT, (*row, store_plans.digest(*row)))
    raw.close()
    with Store(path) as store, pytest.raises(DataError, match="not as allometry writes it"):
        store.plans("tiny", "quick")
