"""The batches of one network divided among devices: the same training, to rounding."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from allometry import Stage
from allometry.processors import processors, threads
from allometry.run import run
from allometry.training.dividing import cut, mesh_for
from allometry.training.packing.choose import make_packs
from allometry.training.procedure import Pack
from tests.store.cases import Imagined, InPacks, listed, study
from tests.training.divided_runs import IMAGES, LANGUAGE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def divided():
    """What `divided_runs` found in a process whose JAX has a device for each of two threads."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.training.divided_runs"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "NPROC": "2"},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert found["devices"] == 2
    return found


@pytest.mark.parametrize("name", ["language", "images"])
def test_two_devices_train_the_network_that_one_does(divided, name):
    found = divided[name]
    assert found["mesh"]
    assert found["apart"] < 1e-4  # of the way from the start
    for losses in (found["rows"], found["train"]):
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("name", ["language", "images"])
def test_twice_divided_gives_the_same_bits(divided, name):
    assert divided[name]["repeated"]


def test_from_a_checkpoint_it_goes_on_to_the_same_bits(divided):
    assert divided["resumed"]


def test_a_network_is_divided_if_it_is_the_only_one(divided):
    assert divided["packs"] == [[True], [False, False]]


def test_with_one_device_nothing_is_divided():
    """In this process JAX had begun with one before anything asked for more."""
    (pack,) = make_packs([LANGUAGE])
    assert pack.divided
    assert mesh_for(chunk=8, batch=16) is None


@pytest.mark.parametrize("spec", [LANGUAGE, IMAGES])
def test_every_part_of_a_batch_is_as_large_and_fits_a_chunk(spec):
    class Mesh:
        size = 3

    for batch in (1, 7, 16, 64, 100):
        for mesh in (None, Mesh):
            devices, chunks, size = cut(mesh, spec.model.chunk, batch)
            assert devices == (3 if mesh else 1) and size <= spec.model.chunk
            assert devices * chunks * size >= batch > devices * (chunks - 1) * size
            assert mesh or size == spec.model.chunk  # one program for all batch sizes


def test_the_packs_of_a_stage_do_not_depend_on_the_stages_before_it(tmp_path):
    """So that a single larger network planned from many small ones is divided."""

    class Dividing(InPacks):
        def packs(self, specs):
            return [replace(pack, divided=len(specs) == 1) for pack in super().packs(specs)]

    def later(size, table):
        return Stage("one", listed(9, (42,))[-1:]) if len(table) == 4 else None

    class Watching(Imagined):
        packs: list[Pack] = []

        def run(self, packs, *rest):
            self.packs.extend(packs)
            yield from super().run(packs, *rest)

    staged = replace(study(4, seeds=1), later=later, procedure=Dividing(1))
    run(staged, store=tmp_path / "s.db", engine=Watching())
    assert [pack.divided for pack in Watching.packs] == [False] * 4 + [True]


def test_what_draws_in_training_or_is_user_defined_is_not_divided():
    """Draws are made for each chunk, so they would depend on the number of devices."""

    class Own(type(LANGUAGE.train.optimizer)):
        pass

    own = LANGUAGE.train.model_copy(update={"optimizer": Own(learning_rate=0.1)})
    dropout = IMAGES.model.model_copy(update={"dropout": 0.5})
    divided = [
        IMAGES,
        IMAGES.model_copy(update={"model": dropout}),
        LANGUAGE.model_copy(update={"train": own}),
    ]
    assert [make_packs([spec])[0].divided for spec in divided] == [True, False, False]


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("0", None), ("-1", None), ("x", None)])
def test_threads_are_those_of_the_environment_if_it_gives_a_positive_number(
    monkeypatch, given, expected
):
    monkeypatch.setenv("NPROC", given)
    assert threads() == (expected or len(processors()))
