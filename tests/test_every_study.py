"""What every study owes its reader. Finds the studies itself: a new file is covered unasked.

Refresh the names of the quick runs, after a change that is meant to rename them, with
`python -m tests.test_every_study`.
"""

import html
import json
import math
import re
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from allometry import studies
from allometry.datasets.catalogue import find
from allometry.engines.local import LocalEngine
from allometry.figures.words import to_html
from allometry.report.publish import publish
from allometry.run import run
from allometry.spec import SIZES, RunSpec
from allometry.store import Store, results
from allometry.study import Study, procedure_of
from allometry.tables.table import Table
from allometry.training.procedure import pending_packs
from allometry.training.result import RunResult
from tests import ASSETS

RUN_IDS = ASSETS / "run_ids.json"
EVERY = studies.names()

# Other programs read these of every table,
CONTRACT = ("run_id", "study", "seed", "status")
# these of every table of trained networks,
OF_NETWORKS = (
    "hidden_sizes", "n_params", "n_data", "epochs", "test_loss", "train_loss", "test_accuracy",
)  # fmt: skip
# and these of the notebooks' own.
OF_STUDY = {
    "cnn_size_by_data": (
        "model_size", "dataset_fraction", "train_loss", "test_loss", "train_accuracy",
        "test_accuracy",
    ),
    "ntk_depth": (
        "depth", "width", "d_in", "n_points", "draw", "spectral_radius",
        "matched_spectral_radius",
    ),
    "grokking": (
        "eta_repr", "eta_dec", "t_train", "t_test", "t_rqi", "test_accuracy", "rqi",
        "ideal_accuracy", "phase",
    ),
}  # fmt: skip
IN_PERCENT = {"cnn_size_by_data"}  # accuracies, as its notebook has them
OF_PATH_ENTROPIES = ("htse", "hsie", "htse_untrained", "hsie_untrained")


class Counted(LocalEngine):
    """The local engine, which notes what it trains and can stop after its first pack."""

    def __init__(self, only_one: bool = False):
        super().__init__()
        self.only_one = only_one
        self.trained: list[str] = []
        self.packs_done = 0

    def run(self, packs, study, advance, stop, checkpoints=None):
        for finished in super().run(packs, study, advance, stop, checkpoints):
            self.packs_done += 1
            self.trained += [r.spec.run_id for r in finished.results]
            yield finished
            if self.only_one:
                return


class Quick(NamedTuple):
    """The quick size of one study, stopped after its first pack and started again."""

    study: Study
    first: Counted
    second: Counted
    left: int
    table: Table
    folder: Path


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """The trained quick size by a study's name; each is trained once in a session."""

    @cache
    def trained(name: str) -> Quick:
        folder = tmp_path_factory.mktemp(name)
        study, store = studies.study(name), folder / "quick.db"
        first, second = Counted(only_one=True), Counted()
        left = run(study, store=store, engine=first).pending
        table = run(study, store=store, engine=second).table
        return Quick(study, first, second, left, table, folder)

    return trained


# Families with others that are trained here in less time (`grokking`, `mlp_parameter_scaling`),
# those of `delayed`, of which short trainings are in its own tests, studies made of claims
# alone, whose every part has tests of its own, and language models, which need a corpus that is
# fetched and have tests on losses of a known law.
LONG = (
    "grokking_phases", "frozen_cnn_parameter_scaling", "frozen_vit_parameter_scaling",
    "mlp_data_scaling", "mnist_grokking", "modular_addition", "learning_rate_transfer",
    "teacher_dimension", "language_model_scaling", "learning_rate_transfer_language",
)  # fmt: skip
TRAINED = [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in EVERY]


@pytest.fixture(params=TRAINED)
def trained(request, quick):
    study = studies.study(request.param)
    data = {getattr(getattr(s, "data", None), "name", "") for s in study.specs("quick")}
    for name in data & {"fashion-mnist", "mnist"}:
        request.getfixturevalue(name.replace("-", "_"))
    if "gutenberg" in data and find("gutenberg") is None:
        pytest.skip("no corpus: allometry data get gutenberg")
    return quick(request.param)


def quick_run_ids() -> dict[str, list[str]]:
    return {name: [s.run_id for s in studies.study(name).specs("quick")] for name in EVERY}


# ---- what it says ---------------------------------------------------------------------------


def test_there_are_studies():
    assert {"mlp_parameter_scaling", "mlp_data_scaling"} <= set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_a_study_says_what_it_asks_and_who_says_otherwise(name):
    study = studies.study(name)
    assert study.name == name, "a study is called as its module is"
    assert study.question.endswith("?")
    for text in (study.title, study.prediction, study.source):
        assert text.strip()
    assert study.figures or study.claims or study.analyse
    assert "quick" in study.sizes and set(study.sizes) <= set(SIZES)
    assert set(study.seeds) >= set(study.sizes)
    for figure in study.figures:
        assert figure.__doc__ and figure.__doc__.strip(), f"{figure.__name__} has no caption"


@pytest.mark.parametrize("name", EVERY)
def test_every_run_has_its_own_name(name):
    study = studies.study(name)
    for size in study.sizes:
        names = [spec.run_id for spec in study.specs(size, seeds=2)]
        assert len(names) > 1
        assert len(set(names)) == len(names), f"two equal runs at size {size}"


@pytest.mark.parametrize("name", EVERY)
def test_results_people_have_are_found_again(name):
    """A run_id that changes leaves people's stored results behind: only ever on purpose."""
    golden = json.loads(RUN_IDS.read_text())
    assert name in golden, "new study: python -m tests.test_every_study"
    assert quick_run_ids()[name] == golden[name], (
        "the quick runs have other names now, so what people have stored is not found again; where "
        "that is meant: python -m tests.test_every_study"
    )


# ---- what it does ---------------------------------------------------------------------------


def test_stopped_half_way_and_started_again_it_trains_nothing_twice(trained):
    planned = [run_id for plan in trained.table.plans for run_id in plan.runs]
    declared = [spec.run_id for spec in trained.study.specs("quick")] + planned
    once = trained.first.trained + trained.second.trained
    assert trained.first.packs_done == 1
    left = len(trained.second.trained) - len(planned)
    assert 0 < trained.left == left, "quick has one pack: nothing to stop"
    assert sorted(once) == sorted(declared)
    assert trained.table["run_id"].tolist() == declared
    assert set(trained.table["status"]) <= {"done", "diverged"}


def as_stored(row):
    """A row as text in which NaN equals NaN, without what each training takes anew."""
    return repr({name: value for name, value in row.items() if name != "seconds"})


def assert_trained_again_equals(trained, results_again: list[RunResult]):
    rows = {row["run_id"]: row for row in trained.table}
    for again in results_again:
        stored = rows[again.spec.run_id]
        assert again.status == stored["status"]
        assert as_stored(again.row) == as_stored({name: stored[name] for name in again.row})
        along = trained.table.trajectories.get(again.spec.run_id, {})
        assert set(along) == set(again.trajectories)
        for name, array in again.trajectories.items():
            np.testing.assert_array_equal(array, along[name], err_msg=name)


def test_what_was_trained_after_the_stop_is_what_training_gives_at_once(trained):
    """A pack depends on its specs alone: trained by itself it gives the stored rows exactly."""
    engine, missing = LocalEngine(), set(trained.second.trained)
    specs = trained.study.specs("quick")
    left = [spec for spec in specs if spec.run_id in missing]
    packs = pending_packs(procedure_of(trained.study).packs(specs), left)
    (again,) = engine.run(packs[:1], trained.study, lambda steps: None, lambda: False)
    assert_trained_again_equals(trained, again.results)


@pytest.mark.slow
def test_the_table_equals_an_uninterrupted_one(trained, tmp_path):
    whole = run(trained.study, store=tmp_path / "whole.db").table
    assert [as_stored(r) for r in whole] == [as_stored(r) for r in trained.table]


def test_a_finished_study_is_not_trained_again(trained):
    idle = Counted()
    again = run(trained.study, store=trained.folder / "quick.db", engine=idle)
    assert (again.trained, again.pending, idle.trained) == (0, 0, [])


def test_the_table_has_the_columns_other_programs_read(trained):
    study, table = trained.study, trained.table
    networks = all(isinstance(spec, RunSpec) for spec in study.specs("quick"))
    others = {"test_accuracy"} if "test_r2" in table else set()
    if "tokens" in table:  # of text the training loss is not measured
        others = {"test_accuracy", "train_loss"}
    of_networks = [n for n in OF_NETWORKS if n not in others]
    expected = (*CONTRACT, *(of_networks if networks else ()), *OF_STUDY.get(study.name, ()))
    assert not [name for name in expected if name not in table]
    if "htse" in table:
        assert all(name in table for name in OF_PATH_ENTROPIES)
    done = table.where(status="done")
    assert len(done) >= 0.9 * len(table), "quick runs diverge"
    if networks:
        for name in of_networks[1:]:
            assert np.isfinite(done[name].astype(float)).all(), name
        top = 100 if study.name in IN_PERCENT else 1
        if "test_accuracy" in of_networks:
            assert ((done["test_accuracy"] >= 0) & (done["test_accuracy"] <= top)).all()
    with Store(trained.folder / "quick.db") as store:
        assert results.stored_size(store, trained.study.name) == "quick"


# ---- what it finds --------------------------------------------------------------------------


def test_findings_say_what_was_measured_and_how_surely(trained):
    findings = trained.study.analysis(trained.table).findings
    assert findings
    assert len({f.claim for f in findings}) == len(findings)
    for f in findings:
        assert f.verdict in ("agrees", "disagrees", "undecided")
        for text in (f.claim, f.prediction, f.source, f.answer):
            assert text.strip(), f.claim
            assert not re.search(r"\bnan\b", text, re.I), f"{f.claim}: {text}"
        if math.isnan(f.measured):
            assert f.verdict == "undecided" or not f.unit, f"{f.claim}: a verdict without a number"
        elif f.reproduces or f.exact or f.verdict == "undecided":
            assert math.isnan(f.low) == math.isnan(f.high), f.claim
        else:
            assert f.low <= f.high, f.claim
            assert f.low <= f.measured <= f.high, f"{f.claim}: {f.shown}"


def test_one_seed_alone_is_answered_in_words_too(trained):
    """`--seeds 1` is allowed: what cannot be said of one seed is left out, not printed as nan."""
    first = trained.table["seed"] == trained.table["seed"].min()
    for f in trained.study.analysis(trained.table.take(first)).findings:
        for text in (f.claim, f.answer, f.control, f.shown):
            assert not re.search(r"\bnan\b", text, re.I), f"{f.claim}: {text}"
        if not (math.isfinite(f.low) and math.isfinite(f.high)):
            assert f.verdict == "undecided" or f.reproduces, f.claim


def test_a_run_that_is_missing_leaves_numbers_and_words(trained):
    """One diverged or pending run must not turn every answer into nan."""
    if len(trained.table) < 8:
        pytest.skip("too few runs to miss one")
    without = trained.table.take(np.arange(len(trained.table)) != len(trained.table) // 2)
    for f in trained.study.analysis(without).findings:
        assert not re.search(r"\bnan\b", f"{f.answer} {f.control} {f.shown}", re.I), f.claim
        assert math.isfinite(f.measured) or f.verdict == "undecided"


def test_findings_name_figures_that_there_are(trained):
    """Each finding stands beside its figure, which stands once."""
    analysis = trained.study.analysis(trained.table)
    there = {*(f.__name__ for f in trained.study.figures), *analysis.figures}
    named = [f.figure for f in analysis.findings if f.figure]
    assert set(named) <= there


def test_findings_are_the_same_each_time(trained):
    once, twice = (trained.study.analysis(trained.table).findings for _ in range(2))
    assert repr(once) == repr(twice)


def test_findings_do_not_hang_on_the_order_of_rows(trained):
    order = np.random.default_rng(0).permutation(len(trained.table))
    shuffled = trained.study.analysis(trained.table.take(order)).findings
    for one, other in zip(trained.study.analysis(trained.table).findings, shuffled, strict=True):
        assert one.verdict == other.verdict
        assert one.measured == pytest.approx(other.measured, nan_ok=True)


def test_figures_are_figures(trained):
    analysis = trained.study.analysis(trained.table)
    before = plt.get_fignums()
    figures = {f.__name__: partial(f, trained.table, analysis) for f in trained.study.figures}
    for name, draw in (figures | {n: f.draw for n, f in analysis.figures.items()}).items():
        figure = draw()
        assert isinstance(figure, Figure), name
        assert figure.axes, f"{name} is empty"
        for ax in figure.axes:
            # A panel of a row may leave its labels to the one it shares its axes with.
            axes = [ax, *ax.get_shared_x_axes().get_siblings(ax)]
            axes += ax.get_shared_y_axes().get_siblings(ax)
            assert any(a.get_xlabel() or a.get_ylabel() for a in axes) or not ax.has_data(), name
    assert plt.get_fignums() == before, "a figure is left open in pyplot"


def test_the_report_holds_every_finding_and_every_figure(trained):
    path = trained.folder / "report.html"
    page = publish(trained.study, path, store=trained.folder / "quick.db")
    text = path.read_text(encoding="utf-8")
    findings = trained.study.analysis(trained.table).findings
    assert len(text.encode()) <= 1_000_000
    assert text.count("<svg") >= len(trained.study.figures)
    assert [f.claim for f in page.findings] == [f.claim for f in findings]
    for draw in trained.study.figures:
        assert (path.with_suffix("") / f"{draw.__name__}.svg").is_file()
    for words in (trained.study.question, *(f.claim for f in findings)):
        assert plain(to_html(words)) in plain(text), words
    for file in page.files:
        assert file.stat().st_size


def plain(text: str) -> str:
    """Letters and digits alone: a page may set its mathematics as it likes."""
    without = re.sub(r"<[^>]*>", "", html.unescape(text))
    return re.sub(r"\W|_", "", without)


if __name__ == "__main__":
    RUN_IDS.write_text(json.dumps(quick_run_ids(), indent=1) + "\n")
