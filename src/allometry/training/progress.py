"""How far the training of a pack is: one value, all that a checkpoint keeps.

Members that diverged leave the pack where that is worth a new program. Parameters that are
not finite never become finite again. Once all members are lost the training ends; while some
live, a narrower layout frees the others' share, which costs a compilation: the cost model says
whether it pays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import Call
from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.spec import RunSpec
from allometry.training.checkpoints import Saved
from allometry.training.descent import State
from allometry.training.packing.calibration import calibration
from allometry.training.packing.choose import load_of
from allometry.training.packing.cost import Load, cost
from allometry.training.program import Program, narrowed, networks, prepare

__all__ = ["Progress", "begin", "worth"]


@dataclass(frozen=True)
class Progress:
    """A pack after some calls of its program.

    What follows from the pack alone (data, start values, the order of batches) is not in it.

    Attributes:
        state: parameters and optimiser of the members that still train.
        members: their places in the pack.
        finite_until: the last update after which each member was known to be finite, ``(K,)``.
        calls: made so far, and `step` the updates in them.
        points: of the trajectory behind the start: at each, the networks of all members.
        lost: members that diverged and left, as they were then, by place.
        weighed: how many had diverged when leaving was last considered and did not pay.
        seconds: trained so far, in all sittings.
    """

    state: State
    members: tuple[int, ...]
    finite_until: NDArray[np.int64]
    calls: int = 0
    step: int = 0
    points: tuple[list[Network], ...] = ()
    lost: Mapping[int, Network] = field(default_factory=dict)
    weighed: int = 0
    seconds: float = 0.0

    def all_networks(self, program: Program, epoch: int) -> list[Network]:
        """All members of the pack now; those that left, as they were when they did."""
        by_place = {k: replace(net, epoch=epoch) for k, net in self.lost.items()}
        if self.members:
            here = networks(program, self.state.params, epoch)
            by_place |= zip(self.members, here, strict=True)
        return [by_place[k] for k in sorted(by_place)]

    # ---- members that diverged ---------------------------------------------------------------

    def without_lost(self, program: Program, call: Call) -> tuple[Program, "Progress"]:
        """Program and progress of the members that go on after a call.

        A member leaves once it was not finite before the last call either: by then NaNs have
        reached every parameter they can reach, and what is measured of it no longer changes.
        """
        before = self.step - call.updates
        lost = {k for k in self.members if self.finite_until[k] < before}
        if len(lost) == self.weighed:
            return program, self
        places = [i for i, k in enumerate(self.members) if k not in lost]
        load = load_of(program.specs[0])
        rest = replace(load, updates=load.updates - self.step)
        if places and not worth(program.models, [program.models[i] for i in places], rest):
            return program, replace(self, weighed=len(lost))
        here = networks(program, self.state.params, call.epoch or 0)
        leaving = {k: net for k, net in zip(self.members, here, strict=True) if k in lost}
        members = tuple(k for k in self.members if k not in lost)
        progress = replace(self, members=members, lost={**self.lost, **leaving}, weighed=0)
        if not places:
            return program, progress
        program, state = narrowed(program, self.state, places)
        return program, replace(progress, state=state)

    # ---- as a checkpoint keeps it ------------------------------------------------------------

    def saved(self) -> Saved:
        """Facts and arrays of this progress."""
        arrays = {name: np.asarray(leaf) for name, leaf in _leaves(self.state)}
        arrays["finite_until"] = self.finite_until
        names: dict[int, list[str]] = {}
        kept = [(f"lost/{k}", k, net) for k, net in self.lost.items()]
        for i, point in enumerate(self.points):
            kept += [(f"point/{i}/{k}", k, net) for k, net in enumerate(point)]
        for where, k, net in kept:
            arrays[f"{where} losses"] = np.array(list(net.losses.values()), dtype=np.float64)
            arrays |= {f"{where}/{name}": array for name, array in net.params.items()}
            names[k] = list(net.params)
        facts = {
            "members": list(self.members),
            "calls": self.calls,
            "step": self.step,
            "epochs": [point[0].epoch for point in self.points],
            "lost": {k: net.epoch for k, net in self.lost.items()},
            # A measure may sum over the arrays in their order, which decides its last bit.
            "names": names,
            "losses": list(kept[0][2].losses) if kept else [],
            "seconds": self.seconds,
        }
        return Saved(facts, arrays)

    @classmethod
    def restored(
        cls, saved: Saved, program: Program, progress: "Progress"
    ) -> tuple[Program, "Progress"]:
        """The inverse of `saved`, bit for bit, with the program of the members that still train.

        Args:
            program, progress: of all members, nothing trained yet.

        Raises:
            DataError: for arrays that are not of this pack.
        """
        (facts, arrays), state = saved, progress.state
        everyone = range(len(program.specs))
        points = tuple(
            [_network(program, saved, f"point/{i}/{k}", k, epoch) for k in everyone]
            for i, epoch in enumerate(facts["epochs"])
        )
        lost = {
            int(k): _network(program, saved, f"lost/{k}", int(k), epoch)
            for k, epoch in facts["lost"].items()
        }
        if lost and facts["members"]:
            program, state = narrowed(program, state, facts["members"])
        return program, cls(
            state=_state(state, arrays),
            members=tuple(facts["members"]),
            finite_until=arrays["finite_until"],
            calls=facts["calls"],
            step=facts["step"],
            points=points,
            lost=lost,
            seconds=facts["seconds"],
        )


def begin(specs: Sequence[RunSpec]) -> tuple[Program, Progress]:
    """A pack before its first update."""
    program, state = prepare(specs)
    members = len(specs)
    return program, Progress(state, tuple(range(members)), np.zeros(members, dtype=np.int64))


def worth(members: Sequence[Model], living: Sequence[Model], rest: Load) -> bool:
    """Whether a new program for the living alone is sooner done with the rest of the updates."""
    machine = calibration()
    now, then = cost(members, rest, machine), cost(living, rest, machine)
    return then.seconds < now.seconds - now.compiling


def _leaves(state: State) -> list[tuple[str, Any]]:
    """Every array of a state with a name of its own."""
    return [
        (f"state{jax.tree_util.keystr(path)}", leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    ]


def _state(like: State, arrays: Mapping[str, NDArray[Any]]) -> State:
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


def _network(program: Program, saved: Saved, where: str, k: int, epoch: int) -> Network:
    facts, arrays = saved
    params = {name: arrays[f"{where}/{name}"] for name in facts["names"][str(k)]}
    losses = dict(zip(facts["losses"], arrays[f"{where} losses"].tolist(), strict=True))
    return Network(program.specs[k], program.models[k], params, losses, program.split, epoch)
