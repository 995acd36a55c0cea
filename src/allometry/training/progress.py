"""The progress of training a pack, as one value that a checkpoint can keep.

Members leave the pack when they have diverged, have reached the end of their length, or have
stopped early. Parameters that are not finite never become finite again, and finished members no
longer change. Training ends when no member is left. Before that, a narrower program saves the work
on finished members but has to be compiled, so members leave only if the cost model predicts a gain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError, in_one_line
from allometry.measures.network import Network
from allometry.models.model import Model, Params
from allometry.spec import RunSpec
from allometry.training.descent import State
from allometry.training.networks import arrays_of, network_of
from allometry.training.packing.calibration import calibration
from allometry.training.packing.choose import load_of
from allometry.training.packing.cost import Load, cost
from allometry.training.program import Program, epoch_at, narrowed, networks, prepare
from allometry.training.saved import Saved

__all__ = ["Progress", "begin", "worth"]

# Raised when a document has other fields or types than `Progress.saved` writes.
_OF_CONTENT = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)

Points = Mapping[int, tuple[Network, ...]]


@dataclass(frozen=True)
class Progress:
    """A pack after some calls of its program.

    Values that follow from the pack alone (data, initial parameters, batch order) are not included.

    Attributes:
        state: parameters and optimiser state of the members that still train.
        members: places of these members in the pack.
        finite_until: the last update after which each member was known to be finite, ``(K,)``.
        step: number of updates made so far.
        points: networks at points of the trajectory after the start, by place.
        left: networks of members that have left the program, by place.
        stopped: steps at which members stopped early, by place.
        best: for members with early stopping, by place: the lowest validation loss, and the number
            of checks since then without improvement.
        weighed: number of members that could have left when this was last found not to pay.
        seconds: time of training so far, in all processes.
    """

    state: State
    members: tuple[int, ...]
    finite_until: NDArray[np.int64]
    step: int = 0
    points: Points = field(default_factory=dict)
    left: Mapping[int, Network] = field(default_factory=dict)
    stopped: Mapping[int, int] = field(default_factory=dict)
    best: Mapping[int, tuple[float, int]] = field(default_factory=dict)
    weighed: int = 0
    seconds: float = 0.0

    # ---- points and early stopping, after a call ---------------------------------------------

    def steps(self, program: Program) -> list[int]:
        """Updates that each member of the program has made."""
        ends = zip(self.members, program.updates.tolist(), strict=True)
        return [min(self.step, end, self.stopped.get(k, end)) for k, end in ends]

    def networks(self, program: Program) -> dict[int, Network]:
        """The current networks of the members of the program, by place."""
        members = networks(program, self.state.params, self.steps(program))
        return dict(zip(self.members, members, strict=True))

    def looked(self, program: Program) -> "Progress":
        """The progress with the points due now, and with early stopping applied."""
        due = self._due(program, program.points)
        checked = self._due(program, program.looks) - self.stopped.keys()
        if not due and not checked:
            return self
        current = self.networks(program)
        points = {**self.points, **{k: (*self.points.get(k, ()), current[k]) for k in due}}
        best, stopped = dict(self.best), dict(self.stopped)
        for k in checked:
            rule = current[k].spec.train.stop
            assert rule is not None
            loss, (lowest, waited) = current[k].losses["valid_loss"], best.get(k, (np.inf, 0))
            better = loss < lowest - rule.least
            best[k] = (loss, 0) if better else (lowest, waited + 1)
            if best[k][1] >= rule.patience:
                stopped[k] = self.step
        return replace(self, points=points, best=best, stopped=stopped)

    def _due(self, program: Program, steps: Sequence[frozenset[int]]) -> set[int]:
        return {k for k, due in zip(self.members, steps, strict=True) if self.step in due}

    # ---- members that leave ------------------------------------------------------------------

    def without_finished(self, program: Program, updates: int) -> tuple[Program, "Progress"]:
        """Program and progress of the members that continue after a call of `updates` updates.

        A member is finished at its end, or if it was not finite before the last call either. By
        then NaNs have reached every parameter they can reach, and its measurements no longer
        change.
        """
        before = self.step - updates
        finished = {
            k
            for k, end in zip(self.members, program.updates.tolist(), strict=True)
            if self.finite_until[k] < min(before, end) or self.step >= end or k in self.stopped
        }
        if len(finished) == self.weighed:
            return program, self
        places = [i for i, k in enumerate(self.members) if k not in finished]
        if places and not worth(program.models, *self._going_on(program, places)):
            return program, replace(self, weighed=len(finished))
        current = self.networks(program)
        leaving = {k: network for k, network in current.items() if k in finished}
        members = tuple(k for k in self.members if k not in finished)
        progress = replace(self, members=members, left={**self.left, **leaving}, weighed=0)
        if not places:
            return program, progress
        program, state = narrowed(program, self.state, places)
        return program, replace(progress, state=state)

    def _going_on(self, program: Program, places: Sequence[int]) -> tuple[list[Model], Load]:
        """Models of some members, and the load of their remaining updates."""
        load = load_of(program.specs, own=program.own_batches)
        rest = int(program.updates[np.array(places)].max()) - self.step
        return [program.models[i] for i in places], replace(load, updates=rest)

    def ended(self, whole: Program, program: Program) -> tuple[list[Network], "Progress"]:
        """The final networks of all members, and the progress with all points filled in.

        Points after a member left get the network with which it left.

        Args:
            whole: the program of all members.
        """
        last_networks = {**self.left, **(self.networks(program) if self.members else {})}
        points = dict(self.points)
        for k in range(len(whole.specs)):
            reached = points.get(k, ())
            last = self.stopped.get(k, int(whole.updates[k]))
            due = sorted(step for step in whole.points[k] if step <= last)
            missing = due[len(reached) :]
            points[k] = (
                *reached,
                *(replace(last_networks[k], step=s, epoch=epoch_at(whole, k, s)) for s in missing),
            )
        final = []
        for k in sorted(last_networks):
            network, step = last_networks[k], self.stopped.get(k, int(whole.updates[k]))
            at_end = network.step == step  # False if the member diverged and left before its end
            final.append(
                network if at_end else replace(network, step=step, epoch=epoch_at(whole, k, step))
            )
        return final, replace(self, points=points)

    # ---- checkpoints -------------------------------------------------------------------------

    def saved(self) -> Saved:
        """Facts and arrays of this progress."""
        arrays = {name: np.asarray(leaf) for name, leaf in _leaves(self.state)}
        arrays["finite_until"] = self.finite_until
        names: dict[int, list[str]] = {}
        kept = [(f"left/{k}", k, net) for k, net in self.left.items()]
        for k, points in self.points.items():
            kept += [(f"point/{k}/{i}", k, net) for i, net in enumerate(points)]
        for where, k, net in kept:
            arrays |= arrays_of(net, where)
            names[k] = list(net.params)
        facts = {
            "members": list(self.members),
            "step": self.step,
            "points": {k: [net.step for net in points] for k, points in self.points.items()},
            "left": {k: net.step for k, net in self.left.items()},
            "stopped": dict(self.stopped),
            "best": {k: list(best) for k, best in self.best.items()},
            # The order of arrays is kept, because it decides the last bits of sums over them.
            "names": names,
            "losses": list(kept[0][2].losses) if kept else [],
            "seconds": self.seconds,
        }
        return Saved(facts, arrays)

    @classmethod
    def restored(
        cls, saved: Saved, program: Program, progress: "Progress"
    ) -> tuple[Program, "Progress"]:
        """The exact inverse of `saved`, with the program of the members that still train.

        Args:
            program, progress: those of all members before training.

        Raises:
            DataError: the content does not belong to this pack.
        """
        try:
            return cls._restored(saved, program, progress)
        except _OF_CONTENT as error:
            raise DataError(f"its content is not of this pack ({in_one_line(error)})") from error

    @classmethod
    def _restored(
        cls, saved: Saved, program: Program, progress: "Progress"
    ) -> tuple[Program, "Progress"]:
        (facts, arrays), state = saved, progress.state
        _check(facts, arrays, program, progress)
        points = {
            int(k): tuple(
                network_of(program, int(k), saved, f"point/{k}/{i}", step, facts["names"][k])
                for i, step in enumerate(steps)
            )
            for k, steps in facts["points"].items()
        }
        left = {
            int(k): network_of(program, int(k), saved, f"left/{k}", step, facts["names"][k])
            for k, step in facts["left"].items()
        }
        if left and facts["members"]:
            program, state = narrowed(program, state, facts["members"])
        return program, cls(
            state=_state(state, arrays),
            members=tuple(facts["members"]),
            finite_until=arrays["finite_until"],
            step=facts["step"],
            points=points,
            left=left,
            stopped={int(k): step for k, step in facts["stopped"].items()},
            best={int(k): (loss, waited) for k, (loss, waited) in facts["best"].items()},
            seconds=facts["seconds"],
        )


def begin(specs: Sequence[RunSpec], *, divided: bool = False) -> tuple[Program, Progress]:
    """Program and progress of a pack before its first update.

    Args:
        divided: as for `Pack`.
    """
    program, state = prepare(specs, divided=divided)
    members = len(specs)
    return program, Progress(state, tuple(range(members)), np.zeros(members, dtype=np.int64))


def worth(members: Sequence[Model], living: Sequence[Model], rest: Load) -> bool:
    """Whether a new program for the living members would finish the rest of the updates sooner."""
    machine = calibration()
    now, then = cost(members, rest, machine), cost(living, rest, machine)
    return then.seconds < now.seconds - now.compiling


def _leaves(state: State) -> list[tuple[str, Any]]:
    """Every array of a state with a unique name."""
    return [
        (f"state{jax.tree_util.keystr(path)}", leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    ]


def _check(
    facts: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    program: Program,
    progress: Progress,
) -> None:
    """Refuse numbers that cannot belong to this pack, and networks of other shapes.

    Raises:
        ValueError: names the invalid fields.
    """
    members, places = facts["members"], range(len(program.specs))
    until, most = arrays["finite_until"], int(program.updates.max())
    alike = list(map(_forms, program.descent.layout.unstack(progress.state.params)))
    nets = [(k, f"left/{k}") for k in facts["left"]]
    nets += [(k, f"point/{k}/{i}") for k, of in facts["points"].items() for i in range(len(of))]
    wrong = {
        "members": members != sorted({*members} & {*places}),
        "step": not 0 <= facts["step"] <= most,
        "seconds": not 0 <= facts["seconds"] < np.inf,
        "finite_until": until.shape != (len(places),) or until.dtype != np.int64,
        "names": any(
            _forms({n: arrays[f"{where}/{n}"] for n in facts["names"][k]}) != alike[int(k)]
            for k, where in nets
        ),
        "losses": any(arrays[f"{where} losses"].dtype != np.float64 for _, where in nets),
    }
    if any(wrong.values()):
        raise ValueError(", ".join(name for name in wrong if wrong[name]))


def _forms(arrays: Params) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


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
