"""Trained runs without measurements, kept because a measure failed.

If a measure raises, its run fails. The trained network is then kept beside the store. Once the
measure is fixed, only the measures are computed, and training is not repeated.
"""

from collections.abc import Sequence

from allometry.measures.network import Network
from allometry.training.kept import Kept
from allometry.training.networks import arrays_of, network_of
from allometry.training.program import Program
from allometry.training.result import Trained
from allometry.training.saved import Saved

__all__ = ["keep_trained", "kept_trained"]


def keep_trained(kept: Kept, run: Trained) -> None:
    """Keep the networks that the measures of a run need.

    Raises:
        DiskError: the file cannot be written.
    """
    arrays = arrays_of(run.final, "final")
    for i, net in enumerate(run.behind):
        arrays |= arrays_of(net, f"point/{i}")
    facts = {
        "step": run.final.step,
        "points": [net.step for net in run.behind],
        "names": list(run.final.params),
        "losses": list(run.final.losses),
        "finite_until": run.finite_until,
        "stopped": run.stopped,
    }
    kept.write_trained(run.final.spec, Saved(facts, arrays))


def kept_trained(kept: Kept, program: Program, start: Sequence[Network] | None) -> list[Trained]:
    """The members of a program as kept by `keep_trained`.

    Args:
        start: networks before training, one for each member; None without them.

    Raises:
        DataError: a file is missing or damaged.
    """
    runs = []
    for k, spec in enumerate(program.specs):
        saved = kept.trained(spec)
        facts, names = saved.facts, saved.facts["names"]
        behind = [
            network_of(program, k, saved, f"point/{i}", step, names)
            for i, step in enumerate(facts["points"])
        ]
        runs.append(
            Trained(
                start=start[k] if start else None,
                final=network_of(program, k, saved, "final", facts["step"], names),
                behind=behind,
                finite_until=facts["finite_until"],
                stopped=facts["stopped"],
            )
        )
    return runs
