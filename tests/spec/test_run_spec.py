"""A run's name is its content: stable for what it was, another for what it is not."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from allometry.errors import DataError, UsageError
from allometry.spec import (
    Experiment,
    RunSpec,
    Spec,
    TrainSpec,
    check_same,
    differences,
    is_variant,
    replace,
    texts,
    variant,
)
from allometry.spec.losses import Huber, SquaredError
from allometry.spec.optimizers import AdamW
from allometry.spec.schedules import Cosine
from tests import ROOT

SHIPPED = "allometry.imagined"  # whose defaults are left out of the names of runs


class Net(Spec):
    __module__ = SHIPPED
    widths: tuple[int, ...]
    activation: str = "relu"


class Points(Spec):
    __module__ = SHIPPED
    n: int = Field(default=100, ge=1)


class Descent(Spec):
    __module__ = SHIPPED
    learning_rate: float = 0.1


def spec(**changes):
    fields = {
        "model": Net(widths=(4, 3, 2)),
        "data": Points(),
        "train": TrainSpec(optimizer=Descent(), epochs=3),
        "seed": 42,
    }
    return RunSpec(**{**fields, **changes})


def test_the_name_is_the_one_it_has_always_been():
    # Written down on 2026-11-22: results in people's stores are found by this name.
    old = TrainSpec(optimizer=Descent(), epochs=3, loss=SquaredError())
    assert spec(train=old).run_id == (
        "49e2540b6ee27ca1abedab85de56944322b96365929ad80201c081242ad45102"
    )


def test_another_version_of_a_part_is_another_name():
    """Cross-entropy was 64fae6ee1f37 before version 2 of it, which keeps small losses' digits."""
    assert spec().run_id == "6c38ef4a195b3558be59fb7645a028eec9739fa85af5ff5d0fd274dbc9f4bf69"


def test_the_name_is_the_same_in_another_process():
    code = "from tests.spec.test_run_spec import spec; import sys; sys.stdout.write(spec().run_id)"
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "7"}, cwd=ROOT,
    )  # fmt: skip
    assert there.stdout == spec().run_id


@pytest.mark.parametrize(
    "other",
    [
        spec(seed=43),
        spec(model=Net(widths=(4, 2, 3))),
        spec(model=Net(widths=(4, 3, 2), activation="tanh")),
        spec(data=Points(n=101)),
        spec(train=TrainSpec(optimizer=Descent(), epochs=4)),
        spec(train=TrainSpec(optimizer=Descent(learning_rate=0.2), epochs=3)),
        spec(measures=("losses",)),
    ],
)
def test_every_field_is_in_the_name(other):
    assert other.run_id != spec().run_id


def test_two_kinds_with_equal_fields_have_two_names():
    class Ascent(Spec):
        learning_rate: float = 0.1

    assert spec(train=TrainSpec(optimizer=Ascent(), epochs=3)).run_id != spec().run_id


def test_saying_a_default_changes_nothing():
    loud = spec(
        model=Net(widths=(4, 3, 2), activation="relu"),
        train=TrainSpec(optimizer=Descent(learning_rate=0.1), epochs=3, batch_size=128),
        measures=(),
    )
    assert loud.run_id == spec().run_id


@given(st.permutations(["model", "data", "train", "seed"]))
def test_the_order_of_fields_is_not_in_the_name(order):
    fields = {name: getattr(spec(), name) for name in order}
    assert RunSpec(**fields).run_id == spec().run_id


def grown(default_rate=0.1, **new_fields):
    """The same spec as a later version of the package would write it."""
    fields = {"learning_rate": (float, default_rate), **new_fields}
    annotations = {name: kind for name, (kind, _) in fields.items()}
    defaults = {name: default for name, (_, default) in fields.items()}
    namespace = {"__module__": SHIPPED, "__annotations__": annotations, **defaults}
    later = type("Descent", (Spec,), namespace)
    return spec(train=TrainSpec(optimizer=later(), epochs=3))


def test_a_field_added_later_orphans_nothing():
    later = grown(momentum=(float, 0.0))
    assert later.run_id == spec().run_id
    check_same(later.run_id, spec().document(), later.document())


def test_a_changed_default_is_refused_by_the_name_of_its_field():
    later = grown(default_rate=0.3)
    assert later.run_id == spec().run_id, "the hazard: the name alone would not tell"
    with pytest.raises(DataError, match=r"optimizer\.learning_rate was 0\.1 and is 0\.3 now"):
        check_same(later.run_id, spec().document(), later.document())


def test_a_users_own_fields_are_never_left_out():
    """Their defaults may be changed between two runs: each value names runs of its own."""

    def own(rate):
        class Own(Descent):
            __module__ = __name__
            learning_rate: float = 0.1  # as the shipped class has it
            momentum: float = rate

        return Own

    before, after = own(0.5), own(0.9)
    names = {spec(train=TrainSpec(optimizer=of(), epochs=3)).run_id for of in (before, after)}
    assert len(names) == 2
    said = spec(train=TrainSpec(optimizer=after(momentum=0.5), epochs=3))
    assert said.run_id in names
    assert before().document(defaults=False) == {"kind": "Own", "momentum": 0.5}


def test_code_is_in_the_name_where_there_is_any():
    assert spec(code="").run_id == spec().run_id
    assert spec(code="a" * 64).run_id != spec().run_id
    with pytest.raises(UsageError, match="is set by the study"):
        replace(spec(), "code", "b")


def test_a_field_that_is_gone_is_named():
    stored = {"a": 1, "b": {"c": 2, "d": 3}}
    (only,) = differences(stored, {"a": 1, "b": {"c": 2}})
    assert only == "b.d was 3 and is no longer a field"
    assert list(differences(stored, stored)) == []


def test_the_full_document_keeps_every_default():
    document = spec().document()
    assert document["train"]["batch_size"] == 128
    assert document["model"] == {"kind": "Net", "widths": [4, 3, 2], "activation": "relu"}
    assert "batch_size" not in spec().document(defaults=False)["train"]
    assert json.loads(json.dumps(document)) == document


def test_a_spec_is_frozen_and_refuses_what_it_does_not_know():
    with pytest.raises(ValidationError):
        spec().seed = 1
    with pytest.raises(ValidationError):
        Net(widths=(1,), depth=3)
    with pytest.raises(ValidationError):
        spec(seed=-1)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("seed", "7", 7),
        ("train.epochs", "9", 9),
        ("train.optimizer.learning_rate", "0.5", 0.5),
        ("train.optimizer.learning_rate", "1e-3", 1e-3),
        ("model.activation", "tanh", "tanh"),
        ("model.activation", '"tanh"', "tanh"),
        ("model.widths", "[4, 8, 2]", (4, 8, 2)),
    ],
)
def test_replace_changes_one_field_and_nothing_else(field, text, value):
    changed = replace(spec(), field, text)
    inner = changed
    for name in field.split("."):
        inner = getattr(inner, name)
    assert inner == value
    (only,) = differences(spec().document(), changed.document())
    assert only.startswith(field)


@pytest.mark.parametrize(
    ("field", "text", "word"),
    [
        ("epochs", "3", "RunSpec has seed, measures, code, model, data, train"),
        ("train.epoch", "3", "TrainSpec has optimizer, epochs"),
        ("epochs", "3", "did you mean 'train.epochs'?"),
        ("learning_rate", "3", "did you mean 'train.optimizer.learning_rate'?"),
        ("train.lr", "3", "stop$"),  # like no field: nothing is meant
        ("seed.x", "3", "seed is the value 42"),
        ("train.epochs", "three", "integer"),
        ("train.epochs", "0", "greater than or equal to 1"),
        ("train.epochs", "null", "one of epochs, steps and examples"),
        ("data.n", "[1]", "integer"),
        ("model", "{}", "model"),
        ("train", "{}", "train"),
        ("", "3", "no field"),
        ("train.", "3", "no field"),
    ],
)
def test_replace_refuses_in_words(field, text, word):
    with pytest.raises(UsageError, match=word):
        replace(spec(), field, text)


def test_another_length_takes_the_place_of_the_length():
    changed = replace(spec(), "train.steps", "70")
    assert (changed.train.epochs, changed.train.steps) == (None, 70)
    assert replace(changed, "train.epochs", "3") == spec()


def test_optimisers_and_schedules_are_changed_by_their_names():
    changed = replace(replace(spec(), "train.optimizer", "adamw"), "train.schedule", "cosine")
    assert (changed.train.optimizer, changed.train.schedule) == (AdamW(), Cosine())
    with pytest.raises(UsageError, match="one of the names sgd, adam, adamw, lion"):
        replace(spec(), "train.optimizer", "adamm")


def test_a_loss_is_changed_by_its_name_and_then_in_its_fields():
    huber = replace(spec(), "train.loss", "huber")
    assert huber.train.loss == Huber()
    assert replace(huber, "train.loss.delta", "2").train.loss == Huber(delta=2)
    with pytest.raises(
        UsageError, match="one of the names cross_entropy, binary, squared_error, huber"
    ):
        replace(spec(), "train.loss", "hubert")
    with pytest.raises(UsageError, match=r"data is Points: set data\.n"):
        replace(spec(), "data", "Moons")


def test_an_unknown_field_is_answered_with_those_there_are():
    with pytest.raises(ValidationError, match="no field 'epoch': TrainSpec has optimizer, epochs"):
        TrainSpec(optimizer=Descent(), epoch=3)
    with pytest.raises(ValidationError, match="did you mean 'widths'"):
        Net(width=(1,))


@pytest.mark.parametrize("value", ["true", True])
@pytest.mark.parametrize("field", ["train.epochs", "train.optimizer.learning_rate"])
def test_true_is_no_number(field, value):
    with pytest.raises(UsageError, match="true is not a number"):
        replace(spec(), field, value)


def test_true_in_a_list_is_no_number_and_a_flag_takes_it():
    class Flagged(Experiment):
        flag: bool = False
        widths: tuple[int, ...] = (2,)

    assert replace(Flagged(seed=0), "flag", "true").flag is True
    with pytest.raises(UsageError, match="true is not a number"):
        replace(Flagged(seed=0), "widths", "[2, true]")


def test_a_variant_is_named_by_its_changes_in_any_order():
    assert variant({"b": "2", "a": "1"}) == variant({"a": "1", "b": "2"}) == "a=1,b=2"
    assert variant({}) == ""


RATE = "train.optimizer.learning_rate"


@pytest.mark.parametrize(
    ("field", "same", "name"),
    [
        ("train.epochs", (3, 3.0, "3", "3.0", " 3 ", np.int64(3), np.float32(3)), "3"),
        (RATE, (1e-3, "1e-3", "0.001", 0.001, "1E-3", np.float64(1e-3)), "0.001"),
        (RATE, (1, 1.0, "1", "1.0", "1e0"), "1"),
        (RATE, (1e-5, "1e-5", "0.00001", "1e-05"), "1e-5"),
        (RATE, (1e30, "1e30", "1e+30"), "1e30"),
        ("model.activation", ("tanh", '"tanh"'), "tanh"),
        ("model.widths", ((4, 8, 2), [4, 8, 2], "[4, 8, 2]", "[4,8,2]", [4.0, 8, 2]), "[4,8,2]"),
    ],
)
def test_equal_values_are_one_variant_and_one_run(field, same, name):
    assert {variant({field: value}) for value in same} == {f"{field}={name}"}
    assert len({replace(spec(), field, value).run_id for value in same}) == 1


@pytest.mark.parametrize("value", [3.5, "3.5", 3 + 1e-9, "three", "[3]"])
def test_a_whole_number_is_no_other_number(value):
    with pytest.raises(UsageError, match=r"train\.epochs=.* does not fit: Input should be a valid"):
        replace(spec(), "train.epochs", value)


def test_a_value_that_is_no_data_is_refused_in_words():
    with pytest.raises(UsageError, match="a number, text or list expected"):
        variant({"train.epochs": object()})


def test_a_name_written_as_it_was_typed_stands_for_the_same_changes():
    """As stores of earlier code have it; the text may hold commas and equals signs."""
    assert is_variant(f"{RATE}=1e-3", {RATE: 0.001})
    assert is_variant("a=[1, 2],b=x=1,c=2", {"a": (1, 2), "b": "x=1,c=2"})
    assert is_variant("train.epochs=3", {"train.epochs": 3.0})
    assert not is_variant("train.epochs=3", {"train.epochs": 4})
    assert not is_variant("train.epochs=3", {"train.epochs": 3, "seed": 1})
    assert not is_variant("trainXepochs=3", {"train.epochs": 3})
    assert not is_variant("", {"train.epochs": 3})
    assert not is_variant("flag=true", {"flag": 1})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3),
    )
)  # fmt: skip
def test_the_name_of_a_variant_reads_back_as_the_same_variant(value):
    name = variant({"field": value})
    assert variant({"field": name.removeprefix("field=")}) == name
    assert is_variant(name, {"field": value})


# ---- names of many runs at once ---------------------------------------------------------------


class Inner(Spec):
    value: float = 0.5
    seed: int = 0


class Outer(Spec):
    inner: Inner = Inner()
    sizes: tuple[int, ...] = (1, 2)
    pairs: tuple[Inner, ...] = ()
    name: str = 'é"seed":5'
    seed: int
    flag: bool = False


VALUES = {
    "inner": st.builds(Inner, value=st.floats(allow_nan=False, allow_infinity=False),
                       seed=st.integers(0, 60)),
    "sizes": st.lists(st.integers(-5, 10**12), max_size=3).map(tuple),
    "name": st.text(max_size=5),
    "flag": st.booleans(),
}  # fmt: skip


@given(
    st.lists(
        st.fixed_dictionaries({"seed": st.integers(0, 60)}, optional=VALUES),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.integers(0, 60), max_size=5),
    st.booleans(),
)
def test_texts_of_many_specs_are_the_documents_of_each_as_strict_json(fields, seeds, defaults):
    own = [Outer(**f) for f in fields]
    # The same spec again with other seeds shares all it holds.
    own += [own[0].model_copy(update={"seed": seed}) for seed in seeds]
    expected = [
        json.dumps(
            s.document(defaults=defaults), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        for s in own
    ]
    assert texts(own, defaults=defaults) == expected
