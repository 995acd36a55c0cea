"""Members that diverged cost nothing any more, and nobody's result is another for it."""

from dataclasses import replace

import numpy as np
import pytest

from allometry import measures
from allometry.measures.norms import weight_norm
from allometry.models import MLP, OneLayerTransformer
from allometry.spec.losses import SquaredError
from allometry.spec.optimizers import SGD, Adam, AdamW
from allometry.training import loop, progress
from allometry.training.checkpoints import Checkpoints
from allometry.training.loop import train_pack, updates
from allometry.training.packing.calibration import calibration
from allometry.training.packing.cost import Load, cost
from allometry.training.procedure import Pack
from tests.training.test_checkpoints import Stop, calls_of, everything
from tests.training.test_loop import changed, convnet, small, trained_params
from tests.training.test_precision import pairs, start_of


def norm(net):
    with np.errstate(over="ignore"):  # of what is about to be infinite
        return weight_norm(net)


MEASURES = {"losses": measures.losses, "norm": norm}
HUGE = 1e30  # a learning rate at which the second update is not a number


def rates(*values, widths=(7, 5, 4, 3), epochs=60, loss="cross_entropy"):
    """A pack of one network at several learning rates."""
    return [small(widths, rate=r, optimizer=SGD, epochs=epochs, loss=loss) for r in values]


def transformer(rate):
    spec = pairs(OneLayerTransformer(p=7, d_model=8, n_heads=2, d_mlp=8), epochs=320)
    return changed(spec, optimizer=AdamW(learning_rate=rate, weight_decay=0.1))


PACKS = {
    "side by side": rates(0.01, HUGE, 0.02, HUGE, HUGE, HUGE),
    "several widths": [
        small((7, h, 4, 3), rate=r, optimizer=Adam, epochs=60)
        for h, r in ((3, HUGE), (20, 0.01), (5, 0.01), (12, HUGE), (9, 0.003))
    ],
    "stacked": [transformer(r) for r in (1e-3, HUGE, 3e-3, HUGE)],
    "float64": [
        changed(s, precision="float64") for s in rates(0.01, HUGE, 0.02, HUGE, loss=SquaredError())
    ],
}


@pytest.fixture
def made(monkeypatch):
    """(members, updates) of each call of a program that is really made."""
    found = []
    update = loop.update

    def counted(descent, state, batches):
        state, finite = update(descent, state, batches)
        found.append((len(finite), batches.n))
        return state, finite

    monkeypatch.setattr(loop, "update", counted)
    return found


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(progress, "worth", lambda members, living, left: True)


@pytest.fixture
def never(monkeypatch):
    monkeypatch.setattr(progress, "worth", lambda members, living, left: False)


def results(specs, place=None, advance=lambda n: None):
    return train_pack(Pack(tuple(specs)), MEASURES, MEASURES, advance, checkpoints=place)


def is_lost(spec):
    return spec.train.optimizer.learning_rate >= HUGE


def member_updates(made):
    return sum(members * n for members, n in made)


LONG = ("stacked", "several widths")  # their results are compared below


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in PACKS]
)
def test_the_lost_leave_and_the_living_end_where_they_would_have(name, made, always):
    specs = PACKS[name]
    epochs, total = specs[0].train.epochs, updates(specs[0])
    ends = trained_params(specs, epochs)  # of the living: the lost are not measured
    alive = [s for s in specs if not is_lost(s)]
    living = len(alive)
    calls = len(made)
    assert [members for members, _ in made[:3]] == [len(specs), len(specs), living]
    assert {members for members, _ in made[2:]} == {living}
    assert calls >= 4 and sum(n for _, n in made) == total
    spent = member_updates(made)
    assert spent < 0.8 * total * len(specs), "the share of the lost is freed"
    assert spent == total * living + 2 * made[0][1] * (len(specs) - living)
    for spec, end in zip(alive, ends, strict=True):
        (alone,) = trained_params([spec], epochs)
        for parameter, array in alone.items():
            way = np.linalg.norm(array - start_of(spec)[parameter])
            apart = np.linalg.norm(end[parameter] - array)
            assert apart <= 1e-3 * way + 1e-9, (spec, parameter)


@pytest.mark.parametrize("name", PACKS)
def test_the_results_of_the_lost_are_those_of_lost_ones_that_stayed(name, monkeypatch):
    specs = [changed(s, measure_every=5) for s in PACKS[name]]
    both = []
    for answer in (True, False):
        monkeypatch.setattr(progress, "worth", lambda *_, answer=answer: answer)
        both.append(results(specs))
    for spec, left, stayed in zip(specs, *both, strict=True):
        assert left.status == stayed.status == ("diverged" if is_lost(spec) else "done")
        if is_lost(spec):
            assert everything([left]) == everything([stayed])
            assert left.row["finite_until_step"] == stayed.row["finite_until_step"]
        assert left.trajectories["epoch"].tolist() == stayed.trajectories["epoch"].tolist()


@pytest.mark.parametrize(
    "specs",
    [
        rates(HUGE, 2 * HUGE, 3 * HUGE, epochs=100),
        [changed(convnet(batch=40, epochs=8), optimizer=SGD(learning_rate=1e30))],
        [transformer(HUGE), transformer(2 * HUGE)],
    ],
    ids=["perceptrons", "convolutions", "transformers"],
)
def test_once_all_are_lost_training_ends(specs, made):
    """Nothing is weighed: no program is needed to stop."""
    specs = [changed(s, measure_every=2) for s in specs]
    told, total = [], sum(updates(s) for s in specs)
    found = results(specs, advance=told.append)
    assert len(made) == 2 and sum(told) == total
    every = range(0, specs[0].train.epochs + 1, 2)
    for result in found:
        assert result.status == "diverged"
        assert result.row["finite_until_step"] < updates(result.spec)
        assert result.trajectories["epoch"].tolist() == list(every)
        assert np.isnan(result.trajectories["train_loss"][1:]).all()
        assert np.isfinite(result.trajectories["train_loss"][0])


def test_where_it_does_not_pay_they_stay_and_the_living_keep_their_bits(made, never):
    specs = PACKS["side by side"]
    found = results(specs)
    assert {members for members, _ in made} == {len(specs)}
    tame = [s if not is_lost(s) else rates(0.005)[0] for s in specs]
    for one, other in zip(found, results(tame), strict=True):
        if one.status == "done":
            assert everything([one]) == everything([other])


def test_a_pack_without_a_loss_weighs_nothing(made, monkeypatch):
    monkeypatch.setattr(progress, "worth", None)
    results(rates(0.01, 0.02))


def test_it_is_weighed_once_for_each_loss(monkeypatch):
    asked = []
    monkeypatch.setattr(progress, "worth", lambda *a: bool(asked.append(a)))
    results(PACKS["side by side"])
    ((members, living, left),) = asked
    assert (len(members), len(living)) == (6, 2)
    total = updates(PACKS["side by side"][0])
    assert 0 < left.updates < total


def test_it_pays_when_much_is_left_and_much_is_lost():
    """By the costs of this machine: a compilation takes longer than a hundred small updates."""
    models = [MLP(widths=(784, 64, 64, 10))] * 16
    few = Load(updates=2, batch=128, features=784, n_data=10_000, slots=2)
    many = replace(few, updates=100_000)
    assert not progress.worth(models, models[:2], few)
    assert progress.worth(models, models[:2], many)
    machine = calibration()
    saved = cost(models, many, machine).seconds - cost(models[:2], many, machine).seconds
    assert saved > 0.5 * cost(models, many, machine).seconds
    assert not progress.worth(models, models, many), "nobody left, nothing is won"


@pytest.mark.parametrize("name", ["side by side", pytest.param("stacked", marks=pytest.mark.slow)])
def test_stopped_anywhere_it_ends_with_the_same_bits(name, tmp_path, always, made):
    """Also after the lost have left: the checkpoint says who goes on."""
    specs = [changed(s, measure_every=10) for s in PACKS[name]]
    place = Checkpoints(tmp_path / "kept", 0.0)
    total = calls_of(specs)
    whole = everything(results(specs))
    for stop in range(1, total + 1):
        told = []

        def advance(n, told=told, stop=stop):
            told.append(n)
            if len(told) == stop:
                raise Stop

        with pytest.raises(Stop):
            results(specs, place, advance)
        made.clear()
        assert everything(results(specs, place)) == whole
        assert len(made) == total - stop
        for file in place.folder.iterdir():
            file.unlink()
