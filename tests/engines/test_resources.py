"""What a pack asks of a cluster: few processors for narrow packs, more where they are busy."""

import math
from dataclasses import replace

import pytest

from allometry import studies
from allometry.engines import ray as ray_engine
from allometry.engines import slurm as slurm_engine
from allometry.engines.resources import GIB, Needs, asking, needs_of
from allometry.errors import UnavailableError
from allometry.training.loop import Training
from allometry.training.packing.choose import load_of, make_packs
from allometry.training.packing.cost import cost
from allometry.training.packing.sharing import model_of
from allometry.training.procedure import Pack
from tests.engines.cases import packs as imagined_packs
from tests.training.packing.test_cost import MACHINE
from tests.training.test_loop import small

FIRST = studies.study("mlp_parameter_scaling")


def perceptrons(*hidden, batch=128):
    return Pack(
        tuple(small((784, a, b, 10), n=10 * batch, n_in=784, batch=batch) for a, b in hidden)
    )


def needs(pack, machine=MACHINE, gpu=False):
    return needs_of(pack, FIRST, machine, gpu=gpu)


def modelled(pack):
    models = [model_of(spec) for spec in pack.specs]
    return cost(models, load_of(pack.specs), MACHINE).memory


@pytest.mark.parametrize(
    ("pack", "cpus"),
    [
        (perceptrons((8, 4)), 1),
        (perceptrons(*[(8, 4)] * 16), 1),
        (perceptrons((64, 32)), 1),
        (make_packs(FIRST.specs("notebook", 1), MACHINE, threads=1)[0], 2),
        (perceptrons((512, 256)), 2),
        (perceptrons((512, 256), batch=1024), 4),
    ],
    ids=["narrow", "many narrow", "middling", "notebook", "wide", "wide, large batch"],
)
def test_processors_follow_the_products_of_a_step(pack, cpus):
    assert needs(pack).cpus == cpus


def test_a_processor_asked_for_is_busy_three_quarters_of_the_time():
    """By Amdahl's law, from the model's own numbers."""
    for batch in (128, 512, 2048, 8192):
        pack = perceptrons((512, 256), batch=batch)
        load = load_of(pack.specs)
        whole = cost([model_of(pack.specs[0])], load, MACHINE)
        n_params = 784 * 512 + 512 * 256 + 256 * 10 + 778
        # A pass over the parameters in the cache, the least that is not split.
        rest, products = 3.6e-10 * n_params, whole.flop / 1.3e11
        cpus = needs(pack).cpus
        assert cpus == 1 or (products + rest) / (cpus * (products / cpus + rest)) >= 0.75


def test_no_study_asks_for_more_memory_than_a_usual_node_has():
    """That of a model that works in chunks is of a chunk, however large its batches."""
    for name in studies.names():
        study = studies.study(name)
        if not isinstance(study.procedure or Training(), Training):
            continue
        for size in study.sizes:
            packs = make_packs(study.specs(size), MACHINE)
            most = max(needs_of(pack, study, MACHINE).memory for pack in packs)
            assert most <= 8 * GIB, (name, size)


@pytest.mark.parametrize("n", [1, 30, 1000])
def test_memory_is_the_models_with_a_margin(n):
    pack = perceptrons(*[(300, 100)] * n)
    estimate = GIB + 2 * modelled(pack)
    asked = needs(pack).memory
    assert estimate <= asked < 2 * estimate
    assert math.log2(asked / GIB) % 1 == 0, "few different numbers, so that packs share an array"


def test_a_gpu_is_shared_by_what_fits_on_it():
    device = replace(MACHINE, memory=8 * GIB)
    one = needs(perceptrons((300, 100)), device, gpu=True)
    assert (one.cpus, one.gpus) == (1, 1 / 8)
    pack = perceptrons(*[(300, 100)] * 300)
    many = needs(pack, device, gpu=True)
    assert many.gpus * device.memory >= 2 * modelled(pack) and many.gpus < 1
    assert needs(perceptrons(*[(300, 100)] * 3000), device, gpu=True).gpus == 1
    assert needs(perceptrons((300, 100)), device).gpus == 0


def test_a_procedure_the_model_does_not_know_gets_one_processor():
    mine, (pack, *_) = imagined_packs()
    assert needs_of(pack, mine) == Needs(cpus=1, gpus=0, memory=None)


def test_the_users_numbers_come_first():
    mine, (pack, *_) = imagined_packs()
    assert asking(4, None)(pack, mine) == Needs(cpus=4)
    assert asking(None, 0.5)(pack, mine) == Needs(gpus=0.5)
    assert asking(None, 0)(pack, mine) == Needs()


# ---- in the words of Ray and of SLURM ----------------------------------------------------


def node(cpus, gib, alive=True):
    return {"Alive": alive, "Resources": {"CPU": cpus, "memory": gib * GIB}}


def test_ray_is_asked_for_no_more_than_its_largest_node_has():
    asked = Needs(cpus=8, gpus=0.5, memory=16 * GIB)
    whole = {"num_cpus": 8, "num_gpus": 0.5, "memory": 16 * GIB}
    head = {"Alive": True, "Resources": {"memory": GIB}}
    given = ray_engine._as_there_is
    assert given(asked, [node(2, 4), node(16, 64)]) == whole
    assert given(asked, [node(2, 4), node(16, 64, alive=False)]) == whole | {
        "num_cpus": 2, "memory": 4 * GIB,
    }  # fmt: skip
    assert given(asked, [node(16, 64)], share=2)["num_cpus"] == 2, "the others are for others"
    assert given(asked, [head]) == whole, "an autoscaler brings the first node to work on"
    assert given(Needs(), [node(2, 4)]) == {"num_cpus": 1, "num_gpus": 0}


def test_slurm_is_asked_for_no_more_than_its_largest_node_has():
    asked = Needs(cpus=8, gpus=0.125, memory=16 * GIB)
    given = slurm_engine._as_there_is(asked, 64, 500_000)
    assert given["cpus_per_task"] == 8 and given["mem"] == "16384M"
    assert given["gpus_per_node"] == 1, "SLURM gives whole ones"
    assert "export OMP_NUM_THREADS=8" in given["setup"]
    less = slurm_engine._as_there_is(asked, 2, 4000)
    assert less["cpus_per_task"] == 2 and less["mem"] == "4000M"
    plain = slurm_engine._as_there_is(Needs(), 2, 4000)
    assert plain["mem"] is None and plain["gpus_per_node"] is None


def test_the_largest_node_is_found_where_they_differ(monkeypatch):
    monkeypatch.setattr(slurm_engine, "_call", lambda *words: "4 16000\n64+ 257000+\n")
    assert slurm_engine._largest_node() == (64, 257000)
    monkeypatch.setattr(slurm_engine, "_call", lambda *words: "")
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    with pytest.raises(UnavailableError, match="sinfo names no nodes in nowhere"):
        slurm_engine._largest_node()
