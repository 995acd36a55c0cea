"""How far the training of a pack is: all that a checkpoint keeps of it."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.checkpoints import Saved
from allometry.descent import State
from allometry.errors import DataError
from allometry.measures.network import Losses, Network
from allometry.pack_job import Job

__all__ = ["Course"]


@dataclass
class Course:
    """The state of a pack after some calls of its program.

    What follows from the pack alone, the data, the starts, the order of batches, is made anew.

    Attributes:
        state: parameters and optimiser.
        finite_until: the last update after which each member was known to be finite, ``(K,)``.
        calls: made so far, and `step` the updates in them.
        points: of the trajectory behind the start: at each, the networks of all members.
        seconds: trained so far, in all sittings.
    """

    state: State
    finite_until: NDArray[np.int64]
    calls: int = 0
    step: int = 0
    points: list[list[Network]] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: Job) -> "Course":
        return cls(job.state, np.zeros(len(job.specs), dtype=np.int64))

    def saved(self) -> Saved:
        """As a checkpoint keeps it."""
        arrays = {name: np.asarray(leaf) for name, leaf in _leaves(self.state)}
        arrays["finite_until"] = self.finite_until
        for i, networks in enumerate(self.points):
            arrays[f"losses/{i}"] = np.array([net.losses for net in networks], dtype=np.float64)
            for k, net in enumerate(networks):
                arrays |= {f"point/{i}/{k}/{name}": own for name, own in net.params.items()}
        facts = {
            "calls": self.calls,
            "step": self.step,
            "epochs": [networks[0].epoch for networks in self.points],
            # A measure may sum over the arrays in their order, which decides its last bit.
            "names": [list(net.params) for net in self.points[0]] if self.points else [],
            "seconds": self.seconds,
        }
        return Saved(facts, arrays)

    @classmethod
    def restored(cls, saved: Saved, job: Job) -> "Course":
        """The inverse of `saved`, bit for bit.

        Raises:
            DataError: for arrays that are not of this pack.
        """
        facts, arrays = saved
        points = [
            _networks(job, arrays, i, epoch, facts["names"])
            for i, epoch in enumerate(facts["epochs"])
        ]
        return cls(
            _state(job.state, arrays), arrays["finite_until"], facts["calls"], facts["step"],
            points, facts["seconds"],
        )  # fmt: skip


def _leaves(state: State) -> list[tuple[str, Any]]:
    """Every array of a state with a name of its own."""
    return [
        (f"state{jax.tree_util.keystr(path)}", leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    ]


def _state(like: State, arrays: Any) -> State:
    leaves = []
    for name, leaf in _leaves(like):
        kept = arrays.get(name)
        if kept is None or (kept.shape, kept.dtype) != (leaf.shape, leaf.dtype):
            raise DataError(
                f"checkpoint: {name} of {leaf.dtype}{leaf.shape} expected, got "
                f"{'none' if kept is None else f'{kept.dtype}{kept.shape}'}"
            )
        leaves.append(jnp.asarray(kept))
    restored: State = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return restored


def _networks(job: Job, arrays: Any, i: int, epoch: int, names: list[list[str]]) -> list[Network]:
    """The members at point i, their arrays in the order of `names`."""
    losses = arrays[f"losses/{i}"]
    return [
        Network(
            spec, model, {name: arrays[f"point/{i}/{k}/{name}"] for name in names[k]},
            Losses(*map(float, losses[k])), job.split, epoch,
        )
        for k, (spec, model) in enumerate(zip(job.specs, job.models, strict=True))
    ]  # fmt: skip
