"""Kept networks: weights by run_id, and longer runs that go on where shorter ones ended."""

from dataclasses import replace

import numpy as np
import pytest

from allometry import measures
from allometry.errors import DataError, UsageError
from allometry.measures.norms import weight_norm
from allometry.run import run
from allometry.spec import Experiment
from allometry.spec.optimizers import SGD, Adam, Optax
from allometry.spec.schedules import Cosine, InverseSqrt
from allometry.spec.train_spec import EarlyStop
from allometry.store.networks import weights
from allometry.studies import study
from allometry.study import Study
from allometry.training import loop
from allometry.training.checkpoints import Checkpoints
from allometry.training.function import Function
from allometry.training.kept import Kept
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from tests.training.test_checkpoints import everything
from tests.training.test_examples import DATA
from tests.training.test_examples import run as example_run
from tests.training.test_loop import changed, convnet, small

MEASURES = {"losses": measures.losses, "norm": weight_norm}
FACTORED = Optax(name="optax.adafactor", learning_rate=0.1)

FORMS = {
    "side by side": [small((7, h, 3)) for h in (3, 9)],
    "momentum": [changed(small((7, 5, 3)), optimizer=SGD(momentum=0.9, learning_rate=0.1))],
    "own batches": [small((7, 5, 3), seed=1), small((7, 5, 3), n=100)],
    "a rule of one network": [
        changed(
            small((7, 5, 3), seed=s), optimizer=Optax(name="optax.adafactor", learning_rate=0.1)
        )
        for s in (0, 1)
    ],
    "chunks": [convnet(batch=40, optimizer=Adam)],
    "a schedule by steps": [changed(small((7, 5, 3)), schedule=InverseSqrt(warmup=5))],
}


@pytest.fixture
def place(tmp_path):
    return Checkpoints(tmp_path / "ck", float("inf"), Kept(tmp_path / "s.db.kept", "state"))


@pytest.fixture
def updates_made(monkeypatch):
    made, update = [], loop.update

    def counted(descent, state, batches):
        made.append(batches.n)
        return update(descent, state, batches)

    monkeypatch.setattr(loop, "update", counted)
    return made


SLOW = ("chunks", "a schedule by steps")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in FORMS]
)
def test_a_longer_run_goes_on_to_the_bits_of_one_uninterrupted(name, place, updates_made):
    short = [changed(spec, epochs=4, measure_every=2) for spec in FORMS[name]]
    long = [changed(spec, epochs=8, measure_every=2) for spec in FORMS[name]]
    uninterrupted = train_pack(Pack(tuple(long)), MEASURES, MEASURES)
    all_updates = sum(updates_made)
    train_pack(Pack(tuple(short)), MEASURES, MEASURES, checkpoints=place)
    updates_made.clear()
    gone_on = train_pack(Pack(tuple(long)), MEASURES, MEASURES, checkpoints=place)
    if name == "own batches":  # members that ended at different steps go on apart
        for one, other in zip(gone_on, uninterrupted, strict=True):
            for column in ("train_loss", "weight_norm"):
                assert one.row[column] == pytest.approx(other.row[column], rel=1e-5)
    else:
        assert everything(gone_on) == everything(uninterrupted)
    assert sum(updates_made) < all_updates, "it did go on"


def test_what_depends_on_the_length_starts_again(place, updates_made):
    spec = changed(small((7, 5, 3)), schedule=Cosine())
    train_pack(Pack((changed(spec, epochs=4),)), MEASURES, {}, checkpoints=place)
    updates_made.clear()
    train_pack(Pack((changed(spec, epochs=8),)), MEASURES, {}, checkpoints=place)
    assert sum(updates_made) == 8 * 7


def test_a_damaged_state_is_named(place):
    spec = changed(small((7, 5, 3)), epochs=4)
    train_pack(Pack((spec,)), MEASURES, {}, checkpoints=place)
    (path,) = place.kept.folder.glob("*.state.safetensors")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match=path.name):
        train_pack(Pack((changed(spec, epochs=8),)), MEASURES, {}, checkpoints=place)


class Bare(Experiment):
    """Nothing but a seed."""


def small_study():
    return replace(
        study("mlp_parameter_scaling"), name="kept_networks", sizes=("quick",), origin="",
        runs=lambda size, seeds: [small((7, h, 3), seed=s) for s in seeds for h in (3, 5)],
        measures={"losses": measures.losses}, seeds={}, analyse=lambda table: [],
    )  # fmt: skip


def test_weights_are_read_by_run_id_and_are_those_measured(tmp_path, caplog):
    ends = {}

    def keep(net):
        ends[net.spec.run_id] = net.params
        return {}

    mine = replace(small_study(), measures={"keep": keep})
    table = run(mine, store=tmp_path / "s.db", keep="weights").table
    for run_id in table["run_id"]:
        read = weights(run_id, tmp_path / "s.db")
        assert read.keys() == ends[run_id].keys()
        assert all(np.array_equal(read[name], array) for name, array in ends[run_id].items())
    assert not list((tmp_path / "s.db.kept").glob("*.state.*")), "weights alone were asked for"
    with pytest.raises(UsageError, match="--keep weights"):
        weights("0" * 64, tmp_path / "s.db")


def test_runs_stored_before_are_said_to_have_no_weights(tmp_path, caplog):
    run(small_study(), store=tmp_path / "s.db")
    run(small_study(), store=tmp_path / "s.db", keep="weights")
    assert "2 of the runs are stored without their weights" in caplog.text


def test_a_study_that_trains_by_a_function_cannot_keep(tmp_path):
    mine = Study(
        name="f", title="t", question="q", prediction="p", source="s", measures={},
        runs=lambda size, seeds: [Bare(seed=0)], analyse=lambda table: [],
        procedure=Function(lambda spec: {"loss": 1.0}),
    )  # fmt: skip
    with pytest.raises(UsageError, match="its own training procedure"):
        run(mine, "quick", store=tmp_path / "s.db", keep="weights")


# ---- measures that fail ------------------------------------------------------------------------


def failing(net):
    if net.spec.seed:
        raise ValueError("no such thing")
    return {"seed_is": net.spec.seed}


def mended(net):
    return {"seed_is": net.spec.seed, "epochs_seen": net.epoch}


@pytest.mark.parametrize("name", ["side by side", "own batches", "chunks", "stopped early"])
def test_after_a_failed_measure_only_the_measures_are_made_again(name, place, updates_made):
    if name == "stopped early":
        stop, data = EarlyStop(patience=1, least=1.0), DATA.with_options(validation=0.2)
        specs = [example_run(data, seed=s, epochs=9, stop=stop) for s in (0, 1)]
    else:
        specs = [changed(spec, epochs=4, measure_every=2) for spec in FORMS[name]]
    pack, untold = Pack(tuple(specs)), replace(place, kept=Kept(place.kept.folder))
    wanted = train_pack(pack, {"norm": weight_norm}, {"norm": weight_norm})
    updates_made.clear()

    def fails(net):
        raise ValueError("no such thing")

    failed = train_pack(pack, {"norm": fails}, {}, checkpoints=untold)
    assert all("no such thing" in failure.reason for failure in failed)
    assert all("only the measures are made again" in failure.reason for failure in failed)
    assert sum(updates_made) > 0
    updates_made.clear()
    told = []
    made = train_pack(
        pack, {"norm": weight_norm}, {"norm": weight_norm}, told.append, checkpoints=untold
    )
    assert updates_made == [] and everything(made) == everything(wanted)
    assert sum(told) == sum(map(loop.updates, specs)), "the progress bar comes to its end"
    untold.kept.measured(specs)
    untold.sweep()
    assert not untold.kept.folder.exists(), "kept until it is measured and no longer"


def test_a_mended_measure_has_another_run_id_and_the_same_training(tmp_path, updates_made):
    store = tmp_path / "s.db"
    first = run(replace(small_study(), measures={"seed": failing}), seeds=2, store=store)
    assert first.exit_code == 70 and first.trained == 2 and first.pending == 2
    updates_made.clear()
    second = run(replace(small_study(), measures={"seed": mended}), seeds=2, store=store)
    assert second.exit_code == 0 and second.trained == 4
    # The two runs that failed are not trained again; those stored have other measures and are.
    assert sum(updates_made) == loop.updates(small((7, 3, 3)))
    assert list(second.table["epochs_seen"]) == [second.table["epochs"][0]] * 4
    assert not (tmp_path / "s.db.kept").exists()


def test_other_training_code_trains_again():
    """What decides the training is looked at without the measures, and only without them."""
    kept = Kept(None, None, {"whole": "training", "mended": "training", "other": "another"})
    spec = small((7, 5, 3))
    names = [kept._unmeasured(spec.model_copy(update={"code": c})) for c in kept.training_code]
    assert names[0] == names[1] != names[2]
