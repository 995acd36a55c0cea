"""Runs with the batches of one network divided among two devices; a process of its own.

JAX has one CPU device in the process of the tests. Prints a JSON object.
"""

import json
import sys

import jax
import numpy as np

from allometry.datasets.splits import Data, Split
from allometry.models import ConvNet
from allometry.models.language_model import LanguageModel
from allometry.spec import RunSpec, TrainSpec, replace
from allometry.spec.optimizers import SGD, Adam
from allometry.spec.schedules import Cosine
from allometry.training import dividing
from allometry.training.loop import Training, advance, train_pack
from allometry.training.procedure import Pack
from allometry.training.program import calls
from allometry.training.progress import Progress, begin
from allometry.training.saved import Saved

STEPS = 12


class Windows(Data):
    """Random tokens, the next one twice the last: something is learnt in a few updates."""

    n: int = 90

    @property
    def n_data(self) -> int:
        return self.n

    def load(self, draws):
        first = (draws.uniform((2 * self.n, 1), 0, 16)).astype(np.int32)
        tokens = (first + np.arange(65)) % 16
        x, y = tokens[:, :-1].astype(np.int32), tokens[:, 1:].astype(np.int32)
        return Split(x[: self.n], y[: self.n], x[self.n :], y[self.n :])


class Pictures(Data):
    """Random images with random labels."""

    n: int = 230

    @property
    def n_data(self) -> int:
        return self.n

    def load(self, draws):
        x = draws.uniform((2 * self.n, 784), -1, 1).astype(np.float32)
        y = (draws.randperm(2 * self.n) % 10).astype(np.int32)
        return Split(x[: self.n], y[: self.n], x[self.n :], y[self.n :])


MODEL = LanguageModel(
    vocabulary=16, context=64, d_model=32, n_layers=1, d_head=8, d_mlp=64, tied=True
)
# 90 windows in batches of 20: the last batch of a pass has 10, one chunk of 8 and a part of one.
LANGUAGE = RunSpec(
    model=MODEL, data=Windows(),
    train=TrainSpec(
        optimizer=Adam(learning_rate=0.01), steps=STEPS, batch_size=20, schedule=Cosine(),
        clip_norm=1.0,
    ),
    seed=3,
)  # fmt: skip
IMAGES = RunSpec(
    model=ConvNet(channels=4), data=Pictures(),
    train=TrainSpec(optimizer=SGD(learning_rate=0.1), epochs=2, batch_size=100), seed=0,
)  # fmt: skip


def trained(spec, *, divided):
    """Losses and parameters at the end."""
    found = {}

    def look(net):
        found.update(net.params)
        return dict(net.losses)

    (result,) = train_pack(Pack((spec,), divided=divided), {"look": look}, {}, untrained=False)
    return result.row, found


def resumed(spec):
    """The parameters after all updates, with a copy from the host after the first call."""
    program, progress = begin([spec], divided=True)
    for made, call in enumerate(calls(program)):
        if made == 1:
            whole, start = begin([spec], divided=True)
            program, progress = Progress.restored(Saved(*progress.saved()), whole, start)
        program, progress = advance(program, progress, call)
    return program.descent.layout.unstack(progress.state.params)[0]


def main():
    dividing.ask_for_devices()
    out = {"devices": jax.device_count()}
    for name, spec in {"language": LANGUAGE, "images": IMAGES}.items():
        (row, params), (same, again) = (trained(spec, divided=True) for _ in range(2))
        alone, start = trained(spec, divided=False), begin([spec])[1].state.params
        out[name] = {
            "mesh": begin([spec], divided=True)[0].descent.mesh is not None,
            "rows": [row["test_loss"], alone[0]["test_loss"]],
            "train": [row["train_loss"], alone[0]["train_loss"]],
            "repeated": row == same and all((params[n] == again[n]).all() for n in params),
            "apart": max(
                float(np.linalg.norm(params[n] - alone[1][n]))
                / float(np.linalg.norm(alone[1][n] - np.asarray(start[n])))
                for n in params
            ),
        }
    pointed = replace(LANGUAGE, "train.measure_every", 1)  # a call ends where there is a point
    ends = trained(pointed, divided=True)[1]
    on = resumed(pointed)
    out["resumed"] = all((ends[name] == on[name]).all() for name in ends)
    packs = Training().packs([LANGUAGE]), Training().packs([LANGUAGE, replace(LANGUAGE, "seed", 4)])
    out["packs"] = [[pack.divided for pack in some] for some in packs]
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
