"""Members that diverged leave the pack, where what they would still cost is worth it.

Weights that are not numbers never become numbers again. Once all members are lost the
training ends; while some live, the others' share is freed by laying the living side by
side anew, which costs a compilation: the model of costs says whether it pays.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.training.job import Job, narrowed
from allometry.training.packing.calibration import calibration
from allometry.training.packing.choose import load_of
from allometry.training.packing.cost import Load, cost
from allometry.training.progress import Course

__all__ = ["leave", "worth"]


def leave(job: Job, course: Course, n: int, networks: Callable[[], list[Network]]) -> Job:
    """The job of the members that go on; `course` follows.

    A member goes once it was lost before the last call too: by then the numbers that are
    none have spread as far as they will, and what is measured of it stays as it is.

    Args:
        n: updates in the last call.
        networks: the members of the job as they are.
    """
    lost = {k for k in course.members if course.finite_until[k] < course.step - n}
    if len(lost) == course.weighed:
        return job
    course.weighed = len(lost)
    places = [i for i, k in enumerate(course.members) if k not in lost]
    load = load_of(job.specs[0])
    left = replace(load, updates=load.updates - course.step)
    if places and not worth(job.models, [job.models[i] for i in places], left):
        return job
    course.lost |= {k: net for k, net in zip(course.members, networks(), strict=True) if k in lost}
    course.members = [k for k in course.members if k not in lost]
    course.weighed = 0
    if not places:
        return job
    job = narrowed(job, course.state, places)
    course.state = job.state
    return job


def worth(members: Sequence[Model], living: Sequence[Model], left: Load) -> bool:
    """Whether a new program for the living alone is sooner done with what is left."""
    machine = calibration()
    now, then = cost(members, left, machine), cost(living, left, machine)
    return then.seconds < now.seconds - now.compiling
