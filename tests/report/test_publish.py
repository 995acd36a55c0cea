"""Pages from a store: one study's, and the index of all of them."""

from dataclasses import replace

import pytest

from allometry import measures
from allometry.datasets.splits import Moons
from allometry.errors import UsageError
from allometry.findings import Finding
from allometry.models import MLP
from allometry.report import publish as publish_module
from allometry.report.publish import publish_all
from allometry.run import run
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import SGD
from allometry.study import Study


def runs(size, seeds):
    train = TrainSpec(optimizer=SGD(), epochs=1)
    data = Moons(n_samples=64)
    return [RunSpec(model=MLP(widths=(2, 3, 2)), data=data, train=train, seed=s) for s in seeds]


def analyse(table):
    loss = table["test_loss"]
    return [
        Finding(
            claim="The loss is finite",
            prediction="finite",
            source="here",
            measured=loss.mean(),
            low=loss.min(),
            high=loss.max(),
            verdict="agrees",
            answer=f"Mean loss {loss.mean():.2f}.",
        )
    ]


ONE = Study(
    name="one",
    title="The first",
    question="Is there a loss?",
    prediction="There is",
    source="here",
    runs=runs,
    sizes=("quick",),
    seeds={"quick": (1, 2)},
    measures={"losses": measures.losses},
    analyse=analyse,
)


def test_the_index_links_the_studies_that_have_runs_and_no_others(tmp_path):
    two = replace(ONE, name="two", title="The second")
    never = replace(ONE, name="never", title="The third")
    for study in (ONE, two):
        run(study, store=tmp_path / "s.db")
    pages = publish_all([ONE, two, never], tmp_path / "out", store=tmp_path / "s.db")
    index = (tmp_path / "out" / "index.html").read_text()
    assert [page.study.name for page in pages] == ["one", "two"]
    for page in pages:
        assert page.files[0].is_file() and f'href="{page.files[0].name}"' in index
        assert page.findings[0].answer in index
    assert "The third" not in index


def test_an_index_of_nothing_is_refused(tmp_path):
    run(ONE, store=tmp_path / "s.db")
    with pytest.raises(UsageError, match=r"no finished run.*; one: .*allometry report \./mine\.py"):
        publish_all([replace(ONE, name="two")], tmp_path / "out", store=tmp_path / "s.db")


def test_a_study_of_ones_own_is_not_left_out_of_the_index_in_silence(tmp_path, caplog):
    two = replace(ONE, name="two")
    for study in (ONE, two):
        run(study, store=tmp_path / "s.db")
    publish_all([ONE], tmp_path / "out", store=tmp_path / "s.db")
    assert "left out: two: " in caplog.text


@pytest.mark.slow
def test_pages_of_several_processes_are_those_of_one(tmp_path):
    """Named studies are published side by side; the pages do not tell."""
    store, names = tmp_path / "s.db", ["ntk_depth", "grokking"]
    for name in names:
        run(name, seeds=1, store=store)
    together = publish_all(names, tmp_path / "two", store=store, processes=2)
    one_by_one = publish_all(names, tmp_path / "one", store=store)
    assert repr([p.findings for p in together]) == repr([p.findings for p in one_by_one])
    for page, other in zip(together, one_by_one, strict=True):
        assert page.study.name == other.study.name and len(page.files) == len(other.files)
        for file, same in zip(page.files, other.files, strict=True):
            assert file.read_bytes() == same.read_bytes(), file.name


def test_packs_that_differ_in_their_seconds_alone_are_one_row_of_provenance():
    device = {"jax": "1", "code": {"mine.py:Loss": "a" * 64}}
    documents = [
        ({**device, "seconds_train": 1.5, "seconds_load": 0.1}, 3),
        ({**device, "jax": "2"}, 1),
        ({**device, "seconds_train": 2.5}, 4),
    ]
    rows = publish_module._shown(documents)
    assert [(row["jax"], row["runs"]) for row in rows] == [("1", 7), ("2", 1)]
    assert rows[0].keys() == {"jax", "code", "runs"}
