"""Members with examples of their own: each has its own features, targets and parts."""

import numpy as np
import pytest

from allometry import RunSpec, TrainSpec, measures
from allometry.datasets import Arrays
from allometry.models import MLP
from allometry.models.precision import scope
from allometry.spec.losses import SquaredError
from allometry.spec.optimizers import SGD
from allometry.spec.schedules import Cosine
from allometry.training.examples import gathered
from allometry.training.loop import train_pack
from allometry.training.packing.sharing import program_key
from allometry.training.procedure import Pack
from allometry.training.program import calls, prepare

X = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
DATA = Arrays.of(X, LABELS, test=40)


def run(data, seed=0, n_out=2, **train):
    train = {"optimizer": SGD(learning_rate=0.1), "epochs": 2, "batch_size": 16} | train
    return RunSpec(model=MLP(widths=(3, 6, n_out)), data=data, train=TrainSpec(**train), seed=seed)


def test_features_and_targets_begin_at_the_same_row():
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 2])
    other = np.array([7, 8, 9])
    rows, targets, first = gathered([(x, y), (x.reshape(3, 2), other), (x[:], y)])
    assert first.tolist() == [0, 3, 0]
    assert targets.tolist() == [0, 1, 2, 7, 8, 9]
    np.testing.assert_array_equal(rows, np.concatenate([x, x]))


@pytest.mark.parametrize(
    "specs",
    [
        # All have one set of test targets, and each its own features (or views of them).
        [run(DATA.with_options(subset=n), seed=s) for n, s in ((10, 0), (70, 1))],
        # All have the same features, and each its own targets.
        [run(DATA.with_options(label_noise=share)) for share in (0.0, 0.5)],
    ],
    ids=["sizes", "noise"],
)
def test_own_examples_end_as_alone(specs):
    assert len({program_key(spec) for spec in specs}) == 1
    together = train_pack(Pack(tuple(specs)), {"losses": measures.losses}, {}, untrained=False)
    for spec, packed in zip(specs, together, strict=True):
        pack = Pack((spec,))
        (alone,) = train_pack(pack, {"losses": measures.losses}, {}, untrained=False)
        for part in ("train", "test"):
            for score in ("loss", "accuracy"):
                name = f"{part}_{score}"
                assert packed.row[name] == pytest.approx(alone.row[name], rel=1e-4)


def test_only_like_parts_and_targets_share_a_program():
    real = Arrays.of(X, np.stack([X[:, 0], X[:, 1]], axis=1), test=40)
    runs = [run(data, loss=SquaredError()) for data in (DATA, real)]
    runs.append(run(DATA.with_options(validation=0.2), loss=SquaredError()))
    runs.append(run(Arrays.of(X, LABELS, test=40, valid=(X, LABELS)), loss=SquaredError()))
    assert len({program_key(spec) for spec in runs}) == 4


def test_rates_of_float64_runs_keep_their_digits():
    with scope("float64"):
        program, _ = prepare([run(DATA, precision="float64", schedule=Cosine())])
        factors = np.concatenate([call.batches.factors[: call.updates] for call in calls(program)])
    n = np.arange(len(factors))
    np.testing.assert_allclose(factors[:, 0], (1 + np.cos(np.pi * n / len(n))) / 2, rtol=1e-14)
