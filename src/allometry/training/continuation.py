"""Longer runs that go on from the kept state of shorter ones, and what is kept of each.

A state is kept by the names of parameters, whatever program the run trained in, so that it may go
on in any other.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.measures.network import Network
from allometry.spec import RunSpec
from allometry.spec.optimizers import is_elementwise
from allometry.training.descent import State
from allometry.training.kept import Kept
from allometry.training.packing.sharing import data_of
from allometry.training.program import Program, epoch_at
from allometry.training.progress import Progress
from allometry.training.saved import Saved

__all__ = ["continued", "keep", "steps_kept"]

_log = logging.getLogger(__name__)


def keep(kept: Kept, program: Program, progress: Progress) -> None:
    """Keep the members whose training ends here: at their length, or stopped early."""
    ends = zip(progress.members, program.updates.tolist(), strict=True)
    for place, (k, end) in enumerate(ends):
        stopped = progress.stopped.get(k) == progress.step
        if not stopped and progress.step != end:
            continue
        params, rule = _of_member(program, progress.state, place)
        if not all(np.isfinite(array).all() for array in params.values()):
            continue
        points = progress.points.get(k, ())
        saved = _saved(params, rule, points, int(progress.finite_until[k]))
        # A run that stopped early is at its end: nothing goes on from it.
        kept.write(program.specs[place], progress.step, params, None if stopped else saved)


def steps_kept(kept: Kept, specs: Sequence[RunSpec]) -> list[int]:
    """The step from which each run may go on; 0 where no shorter run of it is kept."""
    states = [kept.state(s, s.train.updates(data_of(s).n_used)) for s in specs]
    return [0 if state is None else state[0] for state in states]


def continued(kept: Kept, program: Program, progress: Progress) -> Progress:
    """The progress of the members' shorter runs, where all have one of the same length.

    The schedule must not depend on the length, and the points of the trajectory must be the same.
    """
    states = [
        kept.state(spec, most)
        for spec, most in zip(program.specs, program.updates.tolist(), strict=True)
    ]
    steps = {0 if state is None else state[0] for state in states}
    trains = [spec.train for spec in program.specs]
    if len(steps) > 1 or any(t.schedule.uses_length or t.stop for t in trains):
        return progress
    (step,) = steps
    due = [sorted(s for s in points if s <= step) for points in program.points]
    kept_of = [saved for _, saved in filter(None, states)]
    if not step or [saved.facts["points"] for saved in kept_of] != due:
        return progress
    _log.info("%d runs go on from step %d of shorter ones", len(kept_of), step)
    points = {k: _points(program, k, saved) for k, saved in enumerate(kept_of)}
    return Progress(
        state=_together(program, kept_of, progress.state),
        members=progress.members,
        finite_until=np.array([saved.facts["finite_until"] for saved in kept_of]),
        step=step,
        points={k: networks for k, networks in points.items() if networks},
    )


def _of_member(
    program: Program, state: State, place: int
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Parameters of a member, and the arrays that the update rule keeps of it, by name."""
    layout = program.descent.layout
    params = dict(layout.unstack(state.params)[place])
    if is_elementwise(program.descent.optimizer):
        slots = [layout.unstack(slot)[place] for slot in state.optimizer.slots]
        arrays = {
            f"rule/{i}/{n}": array for i, slot in enumerate(slots) for n, array in slot.items()
        }
        return params, {**arrays, "rule/updates": np.asarray(state.optimizer.updates)}
    leaves = jax.tree.leaves(state.optimizer)
    # A network alone has its arrays as they are; members of a pack have theirs on the first axis.
    of_member = [np.asarray(leaf if layout.chunk else leaf[place]) for leaf in leaves]
    return params, {f"rule/{i}": array for i, array in enumerate(of_member)}


def _saved(
    params: Mapping[str, NDArray[Any]],
    rule: Mapping[str, NDArray[Any]],
    points: Sequence[Network],
    finite_until: int,
) -> Saved:
    arrays = {f"param/{name}": array for name, array in params.items()} | dict(rule)
    for i, net in enumerate(points):
        arrays |= {f"point/{i}/{name}": array for name, array in net.params.items()}
        arrays[f"point/{i} losses"] = np.array(list(net.losses.values()), dtype=np.float64)
    facts = {
        "finite_until": finite_until,
        "names": list(params),
        "points": [net.step for net in points],
        "losses": list(points[0].losses) if points else [],
    }
    return Saved(facts, arrays)


def _points(program: Program, k: int, saved: Saved) -> tuple[Network, ...]:
    networks = []
    for i, step in enumerate(saved.facts["points"]):
        params = {name: saved.arrays[f"point/{i}/{name}"] for name in saved.facts["names"]}
        for array in params.values():
            array.setflags(write=False)
        values = saved.arrays[f"point/{i} losses"].tolist()
        losses = dict(zip(saved.facts["losses"], values, strict=True))
        networks.append(
            Network(
                program.specs[k], program.models[k], params, losses, program.splits[k],
                epoch_at(program, k, step), step,
            )
        )  # fmt: skip
    return tuple(networks)


def _together(program: Program, members: Sequence[Saved], like: State) -> State:
    """The state of a program from those of its members.

    Args:
        like: of the same program, nothing trained yet.
    """
    layout = program.descent.layout

    def stacked(before: str) -> Any:
        params = [{n: m.arrays[f"{before}/{n}"] for n in m.facts["names"]} for m in members]
        return jax.tree.map(jnp.asarray, layout.stack(params))

    params = stacked("param")
    if is_elementwise(program.descent.optimizer):
        slots = tuple(stacked(f"rule/{i}") for i in range(len(like.optimizer.slots)))
        updates = jnp.asarray(members[0].arrays["rule/updates"])
        return State(params, like.optimizer._replace(updates=updates, slots=slots))
    leaves, structure = jax.tree.flatten(like.optimizer)
    of_members = [[m.arrays[f"rule/{i}"] for m in members] for i in range(len(leaves))]
    whole = [arrays[0] if layout.chunk else np.stack(arrays) for arrays in of_members]
    return State(params, jax.tree.unflatten(structure, list(map(jnp.asarray, whole))))
