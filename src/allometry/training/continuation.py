"""Longer runs that go on from the kept state of shorter ones, and what is kept of each."""

import logging
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.spec.optimizers import is_elementwise
from allometry.training.descent import State
from allometry.training.kept import Kept
from allometry.training.program import Program, narrowed
from allometry.training.progress import Progress

__all__ = ["continued", "keep"]

_log = logging.getLogger(__name__)


def keep(kept: Kept, program: Program, progress: Progress) -> None:
    """Keep the members whose training ends here: at their length, or stopped early."""
    ends = zip(progress.members, program.updates.tolist(), strict=True)
    for place, (k, end) in enumerate(ends):
        stopped = progress.stopped.get(k) == progress.step
        if not stopped and progress.step != end:
            continue
        one, state = narrowed(program, progress.state, [place])
        (params,) = one.descent.layout.unstack(state.params)
        if not all(np.isfinite(array).all() for array in params.values()):
            continue
        alone = Progress(
            state=state,
            members=(0,),
            finite_until=progress.finite_until[[k]],
            step=progress.step,
            points={0: progress.points.get(k, ())},
        )
        # A run that stopped early is at its end: nothing goes on from it.
        kept.write(one.specs[0], progress.step, params, None if stopped else alone.saved())


def continued(kept: Kept, program: Program, progress: Progress) -> Progress:
    """The progress of the members' shorter runs, where all have one of the same length.

    The schedule must not depend on the length, and the points of the trajectory must be the same.
    """
    found = [
        kept.state(spec, most)
        for spec, most in zip(program.specs, program.updates.tolist(), strict=True)
    ]
    steps = {state and state[0] for state in found}
    if len(steps) > 1 or None in steps:
        return progress
    if any(spec.train.schedule.uses_length or spec.train.stop for spec in program.specs):
        return progress
    singles = []
    for place, state in enumerate(found):
        assert state is not None
        one, start = narrowed(program, progress.state, [place])
        empty = Progress(start, (0,), np.zeros(1, dtype=np.int64))
        singles.append(Progress.restored(state[1], one, empty)[1])
    (step,) = steps
    assert step is not None
    due = [sorted(s for s in points if s <= step) for points in program.points]
    points = {k: single.points.get(0, ()) for k, single in enumerate(singles)}
    if any([net.step for net in points[k]] != due[k] for k in points):
        return progress
    _log.info("%d runs go on from step %d of shorter ones", len(singles), step)
    return Progress(
        state=_together(program, [single.state for single in singles], progress.state),
        members=progress.members,
        finite_until=np.concatenate([single.finite_until for single in singles]),
        step=step,
        points={k: nets for k, nets in points.items() if nets},
    )


def _together(program: Program, states: Sequence[State], like: State) -> State:
    """The state of a pack from those of its members, each of a program of its own."""
    if len(states) == 1:
        return states[0]
    layouts = [narrowed(program, like, [k])[0].descent.layout for k in range(len(states))]

    def stacked(trees: Sequence[Any]) -> Any:
        members = [layout.unstack(tree)[0] for layout, tree in zip(layouts, trees, strict=True)]
        return jax.tree.map(jnp.asarray, program.descent.layout.stack(members))

    params = stacked([state.params for state in states])
    kept = [state.optimizer for state in states]
    if not is_elementwise(program.descent.optimizer):
        return State(params, jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *kept))
    slots = zip(*(of_member.slots for of_member in kept), strict=True)
    return State(params, kept[0]._replace(slots=tuple(stacked(list(slot)) for slot in slots)))
