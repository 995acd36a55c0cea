"""How far the training of a pack is: all that a checkpoint keeps of it."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.measures.network import Losses, Network
from allometry.training.checkpoints import Saved
from allometry.training.job import Job, narrowed
from allometry.training.updates import State

__all__ = ["Course"]


@dataclass
class Course:
    """The state of a pack after some calls of its program.

    What follows from the pack alone, the data, the starts, the order of batches, is made anew.

    Attributes:
        state: parameters and optimiser.
        members: those still trained, by their places in the pack.
        finite_until: the last update after which each member was known to be finite, ``(K,)``.
        calls: made so far, and `step` the updates in them.
        points: of the trajectory behind the start: at each, the networks of all members.
        lost: members that diverged and left, as they were then.
        weighed: how many diverged when leaving was last weighed and did not pay.
        seconds: trained so far, in all sittings.
    """

    state: State
    members: list[int]
    finite_until: NDArray[np.int64]
    calls: int = 0
    step: int = 0
    points: list[list[Network]] = field(default_factory=list)
    lost: dict[int, Network] = field(default_factory=dict)
    weighed: int = 0
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: Job) -> "Course":
        members = len(job.specs)
        return cls(job.state, list(range(members)), np.zeros(members, dtype=np.int64))

    def saved(self) -> Saved:
        """As a checkpoint keeps it."""
        arrays = {name: np.asarray(leaf) for name, leaf in _leaves(self.state)}
        arrays["finite_until"] = self.finite_until
        names: dict[int, list[str]] = {}
        kept = [(f"lost/{k}", k, net) for k, net in self.lost.items()]
        for i, networks in enumerate(self.points):
            kept += [(f"point/{i}/{k}", k, net) for k, net in enumerate(networks)]
        for where, k, net in kept:
            arrays[f"{where} losses"] = np.array(net.losses, dtype=np.float64)
            arrays |= {f"{where}/{name}": array for name, array in net.params.items()}
            names[k] = list(net.params)
        facts = {
            "members": self.members,
            "calls": self.calls,
            "step": self.step,
            "epochs": [networks[0].epoch for networks in self.points],
            "lost": {k: net.epoch for k, net in self.lost.items()},
            # A measure may sum over the arrays in their order, which decides its last bit.
            "names": names,
            "seconds": self.seconds,
        }
        return Saved(facts, arrays)

    @classmethod
    def restored(cls, saved: Saved, job: Job) -> tuple["Course", Job]:
        """The inverse of `saved`, bit for bit, and the job of the members that still train.

        Args:
            job: of all members, nothing trained yet.

        Raises:
            DataError: for arrays that are not of this pack.
        """
        facts, arrays = saved
        course = cls(
            job.state, facts["members"], arrays["finite_until"], facts["calls"], facts["step"],
            seconds=facts["seconds"],
        )  # fmt: skip
        for i, epoch in enumerate(facts["epochs"]):
            members = range(len(job.specs))
            course.points.append(
                [_network(job, saved, f"point/{i}/{k}", k, epoch) for k in members]
            )
        for k, epoch in facts["lost"].items():
            course.lost[int(k)] = _network(job, saved, f"lost/{k}", int(k), epoch)
        if course.lost:
            job = narrowed(job, job.state, course.members)
        course.state = _state(job.state, arrays)
        return course, job


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


def _network(job: Job, saved: Saved, where: str, k: int, epoch: int) -> Network:
    facts, arrays = saved
    params = {name: arrays[f"{where}/{name}"] for name in facts["names"][str(k)]}
    losses = Losses(*map(float, arrays[f"{where} losses"]))
    return Network(job.specs[k], job.models[k], params, losses, job.split, epoch)
