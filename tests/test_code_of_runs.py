"""A result belongs to its code: what a user sees who edits a study, copies it or changes a default.

Each test repeats a use that once gave old numbers for new code.
"""

import pytest

import allometry as al
from allometry import studies
from allometry.engines import Engine, Finished
from allometry.engines.local import LocalEngine
from allometry.errors import UsageError
from allometry.report.publish import publish
from allometry.run import run
from allometry.store import Store, results
from allometry.study import procedure_of

FILE = '''"""A study that trains by a function."""
from allometry import Study
from allometry.spec import Experiment
from allometry.training.function import Function


class Net(Experiment):
    width: int
    lr: float = 0.1


def train(spec):
    return {"loss": 1.0 / spec.width}


def runs(size, seeds):
    return [Net(width=w, seed=s) for s in seeds for w in (2, 4)]


STUDY = Study(
    name="edited", title="edited", question=__doc__, prediction="none", source="a test",
    runs=runs, sizes=("quick",), measures={}, procedure=Function(train),
    analyse=lambda table: [],
)
'''


class Here(Engine):
    """Makes every pack in this process, whatever its procedure."""

    def run(self, packs, study, advance, stop, checkpoints=None):
        procedure = procedure_of(study)
        for pack in packs:
            made = procedure.run(pack, study.measures, study.trajectory, advance)
            yield Finished(made, {"device": "here"})


@pytest.fixture
def store(tmp_path):
    return tmp_path / "x.db"


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "s.py")


def write(path, *edits):
    text = FILE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def done(path, store, **more):
    """(runs trained, runs stored before, losses)."""
    outcome = run(path, store=store, engine=Here(), **more)
    return outcome.trained, outcome.stored_before, outcome.table["loss"].tolist()


def test_two_studies_with_one_class_name_do_not_share_results(tmp_path, store):
    assert done(write(tmp_path / "one.py"), store) == (2, 0, [0.5, 0.25])
    other = write(tmp_path / "two.py", ('"edited"', '"other"'), ("1.0 /", "100.0 /"))
    assert done(other, store) == (2, 0, [50.0, 25.0])


def test_two_studies_that_train_by_the_same_code_do(tmp_path, store):
    done(write(tmp_path / "one.py"), store)
    other = write(tmp_path / "two.py", ('name="edited"', 'name="other"'))
    assert done(other, store) == (0, 2, [0.5, 0.25])


def test_edited_code_trains_and_says_what_changed_and_where_the_old_runs_are(file, store, caplog):
    done(file, store)
    assert not caplog.text
    write(file, ("1.0 /", "7.0 /"))
    assert done(file, store) == (2, 0, [3.5, 1.75])
    (said,) = caplog.messages
    assert said.startswith("edited: train changed since 2 stored runs were made")
    name = said.partition("--set code=")[2].split()[0]
    earlier = results.table("edited", store=store, changes={"code": name})
    assert earlier["loss"].tolist() == [0.5, 0.25]
    with Store(store) as opened:
        assert {s.variant: s.done for s in opened.status()} == {"": 2, f"code={name}": 2}


def test_code_that_comes_back_finds_its_runs(file, store, caplog):
    done(file, store)
    write(file, ("1.0 /", "7.0 /"))
    done(file, store)
    write(file, ("    return {", "    # as before\n    return {"))
    assert done(file, store) == (0, 2, [0.5, 0.25])
    with Store(store) as opened:
        variants = {s.variant for s in opened.status()}
    assert "" in variants and len(variants) == 2


def test_analysis_and_figures_train_nothing(file, store, caplog):
    done(file, store)
    write(file, ("lambda table: []", "lambda table: list()"), ('title="edited"', 'title="t"'))
    assert done(file, store)[:2] == (0, 2)
    assert not caplog.text


def test_more_runs_train_only_what_is_new(file, store):
    done(file, store)
    write(file, ("(2, 4)", "(2, 4, 8)"))
    assert done(file, store) == (1, 2, [0.5, 0.25, 0.125])


def test_a_measure_of_ones_own_is_code(tmp_path, store):
    measured = ("measures={}", 'measures={"m": m}')
    before = ("def runs", "def m(given):\n    return {'more': 1}\n\n\ndef runs")
    after = (before[0], before[1].replace("1}", "2}"))
    done(write(tmp_path / "s.py", measured, before), store)
    outcome = run(write(tmp_path / "s.py", measured, after), store=store, engine=Here())
    assert outcome.trained == 2 and outcome.table["more"].tolist() == [2, 2]


def test_a_changed_default_is_another_value_and_the_old_one_finds_its_runs(file, store, caplog):
    loss = ("1.0 /", "spec.lr /")
    assert done(write(file, loss), store) == (2, 0, [0.05, 0.025])
    write(file, loss, ("= 0.1", "= 0.2"))
    assert done(file, store) == (2, 0, [0.1, 0.05])
    assert done(file, store, changes={"lr": 0.2}) == (0, 2, [0.1, 0.05])
    assert done(file, store, changes={"lr": 0.1}) == (0, 2, [0.05, 0.025])
    assert not caplog.text


def test_two_files_with_one_name_are_told_apart(tmp_path, store, caplog):
    one = write(tmp_path / "a" / "study.py")
    two = write(tmp_path / "b" / "study.py", ("(2, 4)", "(4, 8)"))
    done(one, store)
    done(two, store)

    def table(path):
        study = studies.study(path)
        return results.table(study.name, store=store, specs=study.specs)["width"].tolist()

    assert table(two) == [4, 8]
    assert table(one) == [4], "the run that both declare"
    assert caplog.messages[-1].startswith(
        "1 of 2 runs stored as edited (quick) are of another file"
    )
    write(one, ("(2, 4)", "(16, 32)"))
    with pytest.raises(UsageError, match="2 of 2 runs stored as edited"):
        table(one)
    with pytest.raises(UsageError, match="of another file of that name"):
        publish(studies.study(one), tmp_path / "r.html", store=store)
    assert done(one, store)[0] == 2 and table(one) == [16, 32]


def test_a_study_called_as_a_shipped_one_is_refused(tmp_path):
    file = write(tmp_path / "s.py", ('name="edited"', 'name="mlp_parameter_scaling"'))
    with pytest.raises(UsageError, match="the name of a shipped study"):
        al.study(str(file))


def test_workers_make_the_same_digest(file, store):
    """Whatever the state of their modules: each worker makes several packs."""
    write(
        file,
        ("def train", "SEEN = []\nSCALE = {'a': [3.0]}\n\n\ndef train"),
        ("    return {", "    SEEN.append(spec.width)\n    return {"),
        ("1.0 /", "SCALE['a'][0] /"),
        ("(2, 4)", "(2, 4, 8, 16)"),
    )
    outcome = run(file, store=store, engine=LocalEngine(workers=1))
    assert outcome.failures == () and outcome.trained == 4
    assert outcome.table["loss"].tolist() == [1.5, 0.75, 0.375, 0.1875]


def test_code_without_source_is_trained_each_time_and_says_so(store, caplog):
    namespace = {}
    exec(FILE, namespace)
    study = namespace["STUDY"]
    for _ in range(2):
        outcome = run(study, store=store, engine=Here())
        assert outcome.trained == 2
    said = [m for m in caplog.messages if "no source to be read" in m]
    assert len(said) == 2 and "train" in said[0]
