"""A study's table by size and by changes: the largest size first, old spellings of names too."""

from dataclasses import replace

import pytest

from allometry.errors import UsageError
from allometry.run import run
from allometry.spec import variant
from allometry.store import Store
from allometry.store.results import stored_size, stored_variant, table
from tests.store.cases import PROVENANCE, Imagined, result, specs, study

RATE = "train.optimizer.learning_rate"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


def store_runs(path, size, name="", changes=None):
    """One run stored under a size and the name of a variant, as any version may have written it."""
    (only,) = study(1, 1).specs("quick", None, changes)
    with Store(path, write=True) as store:
        store.declare("tiny", size, name, [only])
        store.commit([result(only)], PROVENANCE)


def test_the_largest_size_stored_is_the_last_of_the_studys_sizes(path):
    for size in ("quick", "large", "huge", "another"):
        with Store(path, write=True) as store:
            store.declare("tiny", size, "", specs(1))
            store.commit([result(specs(1)[0])], PROVENANCE)
    with Store(path) as store:
        assert stored_size(store, "tiny", ("quick", "large", "huge", "full")) == "huge"
        assert stored_size(store, "tiny", ("huge", "large", "quick")) == "quick"
        assert stored_size(store, "tiny") == "quick", "the shipped studies' sizes come first"
        with pytest.raises(UsageError, match="no finished run of nobody"):
            stored_size(store, "nobody")


@pytest.mark.parametrize("typed", ["1e-3", "0.001", "0.0010", "1E-03"])
def test_runs_stored_under_the_text_as_typed_are_found_by_any_spelling(path, typed):
    store_runs(path, "quick", f"{RATE}={typed}", {RATE: 1e-3})
    for value in (1e-3, 0.001, "1e-3", "0.001"):
        assert len(table("tiny", store=path, changes={RATE: value})) == 1
    with pytest.raises(UsageError, match=r"learning_rate=0\.002"):
        table("tiny", store=path, changes={RATE: 0.002})


def test_the_present_name_comes_before_an_old_spelling(path):
    store_runs(path, "quick", f"{RATE}=1e-3", {RATE: 1e-3})
    with Store(path) as store:
        assert stored_variant(store, "tiny", "quick", {RATE: 0.001}) == f"{RATE}=1e-3"
    store_runs(path, "quick", variant({RATE: 1e-3}), {RATE: 1e-3})
    with Store(path) as store:
        assert stored_variant(store, "tiny", "quick", {RATE: 0.001}) == f"{RATE}=0.001"
        assert stored_variant(store, "tiny", "notebook", {RATE: 0.001}) == f"{RATE}=0.001"
        assert stored_variant(store, "tiny", "quick", {}) == ""


def test_one_value_in_four_spellings_trains_once(path):
    trained = [
        run(study(4, 1), store=path, changes={"train.epochs": epochs}, engine=Imagined()).trained
        for epochs in (3, 3.0, "3", "3.0")
    ]
    assert trained == [4, 0, 0, 0]
    with Store(path) as store:
        assert [s.variant for s in store.status()] == ["train.epochs=3"]
    with pytest.raises(UsageError, match="Input should be a valid integer"):
        run(study(4, 1), store=path, changes={"train.epochs": 3.5}, engine=Imagined())


def test_a_size_of_ones_own_runs(path):
    mine = replace(study(2), sizes=("quick", "large"), seeds={"quick": (1,), "large": (1, 2, 3)})
    assert run(mine, "large", store=path, engine=Imagined()).trained == 6
    with pytest.raises(UsageError, match=r"no size 'huge'; it has quick, large"):
        run(mine, "huge", store=path, engine=Imagined())
