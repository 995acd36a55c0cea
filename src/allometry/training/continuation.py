"""Longer runs that continue from the kept state of shorter ones, and the keeping of states.

A state is stored by the names of parameters, independent of the program that trained the run, so
that training may continue in any other program.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.measures.network import Network
from allometry.models.model import Params
from allometry.spec import RunSpec
from allometry.spec.optimizers import is_elementwise
from allometry.training.descent import State
from allometry.training.kept import Kept
from allometry.training.networks import arrays_of, network_of
from allometry.training.packing.sharing import data_of
from allometry.training.program import Program
from allometry.training.progress import Progress
from allometry.training.saved import Saved

__all__ = ["continued", "keep", "steps_kept"]

_log = logging.getLogger(__name__)


def keep(kept: Kept, program: Program, progress: Progress) -> None:
    """Keep the members whose training ends here: at their length, or stopped early."""
    ends = zip(progress.members, program.updates.tolist(), strict=True)
    due = [
        place
        for place, (k, end) in enumerate(ends)
        if progress.step in (end, progress.stopped.get(k))
    ]
    if not due:
        return
    params, rules = _of_members(program, progress.state)
    for place in due:
        k = progress.members[place]
        if not all(np.isfinite(array).all() for array in params[place].values()):
            continue
        points, finite_until = progress.points.get(k, ()), int(progress.finite_until[k])
        saved = _saved(params[place], rules(place), points, finite_until)
        # A run that stopped early is finished: no longer run continues from it.
        goes_on = k not in progress.stopped
        kept.write(program.specs[place], progress.step, params[place], saved if goes_on else None)


def steps_kept(kept: Kept, specs: Sequence[RunSpec]) -> list[int]:
    """The step from which each run may continue; 0 if no shorter run of it is kept."""
    return [kept.step(s, s.train.updates(data_of(s).n_used)) for s in specs]


def continued(kept: Kept, program: Program, progress: Progress) -> Progress:
    """The progress of the members' shorter runs, if all have one of the same length.

    Otherwise `progress` is returned. It is also returned if the schedule depends on the length, if
    the runs may stop early, or if the points of the trajectory differ.
    """
    ends = zip(program.specs, program.updates.tolist(), strict=True)
    step, *others = {kept.step(spec, most) for spec, most in ends}
    trains = [spec.train for spec in program.specs]
    if not step or others or any(t.schedule.uses_length or t.stop for t in trains):
        return progress
    due = [sorted(s for s in points if s <= step) for points in program.points]
    kept_of = [kept.state(spec, step) for spec in program.specs]
    if [saved.facts["points"] for saved in kept_of] != due:
        return progress
    _log.info("%d runs continue from step %d of shorter ones", len(kept_of), step)
    points = {
        k: tuple(
            network_of(program, k, saved, f"point/{i}", at, saved.facts["names"])
            for i, at in enumerate(saved.facts["points"])
        )
        for k, saved in enumerate(kept_of)
    }
    return Progress(
        state=_together(program, kept_of, progress.state),
        members=progress.members,
        finite_until=np.array([saved.facts["finite_until"] for saved in kept_of]),
        step=step,
        points={k: networks for k, networks in points.items() if networks},
    )


def _of_members(
    program: Program, state: State
) -> tuple[list[Params], Callable[[int], dict[str, NDArray[Any]]]]:
    """The members' parameters, and a function to a member's update rule arrays by name."""
    layout = program.descent.layout
    params = layout.unstack(state.params)
    if is_elementwise(program.descent.optimizer):
        slots = [layout.unstack(slot) for slot in state.optimizer.slots]
        updates = np.asarray(state.optimizer.updates)

        def slots_of(place: int) -> dict[str, NDArray[Any]]:
            arrays = {
                f"rule/{i}/{name}": array
                for i, slot in enumerate(slots)
                for name, array in slot[place].items()
            }
            return {**arrays, "rule/updates": updates}

        return params, slots_of
    leaves = list(map(np.asarray, jax.tree.leaves(state.optimizer)))

    def leaves_of(place: int) -> dict[str, NDArray[Any]]:
        # A single network in chunks has no member axis; otherwise members are the first axis.
        of_member = leaves if layout.chunk else [leaf[place] for leaf in leaves]
        return {f"rule/{i}": array for i, array in enumerate(of_member)}

    return params, leaves_of


def _saved(
    params: Mapping[str, NDArray[Any]],
    rule: Mapping[str, NDArray[Any]],
    points: Sequence[Network],
    finite_until: int,
) -> Saved:
    arrays = {f"param/{name}": array for name, array in params.items()} | dict(rule)
    for i, net in enumerate(points):
        arrays |= arrays_of(net, f"point/{i}")
    facts = {
        "finite_until": finite_until,
        "names": list(params),
        "points": [net.step for net in points],
        "losses": list(points[0].losses) if points else [],
    }
    return Saved(facts, arrays)


def _together(program: Program, members: Sequence[Saved], like: State) -> State:
    """The state of a program, assembled from the states of its members.

    Args:
        like: an initial state of the same program.
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
