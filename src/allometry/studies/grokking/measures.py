"""Measures of a run of the toy model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.studies.grokking.algebra import ideal, predicted_accuracy, residuals
from allometry.studies.grokking.program import CLOSE
from allometry.studies.grokking.theory import EffectiveTheory
from allometry.studies.grokking.trajectory import LINEAR, Trajectory
from allometry.training.result import Cell

__all__ = ["algebra", "effective", "final", "learnt", "unit_deviation"]


def learnt(run: Trajectory) -> dict[str, Cell]:
    """The epochs at which training questions, test questions and line were learnt, and the phase.

    `t_train`, `t_test`, `t_rqi` are epochs, or the last epoch for never; `phase` is C, G, M or X.
    Columns of the control end in `_swapped`.
    """
    out: dict[str, Cell] = {**run.times(), "phase": run.phase()}
    if run.control is not None:
        out |= {f"{name}_swapped": value for name, value in learnt(run.control).items()}
    return out


def final(run: Trajectory) -> dict[str, Cell]:
    """Loss, accuracies and RQI at the end of training and at its start.

    `train_loss`, `train_accuracy`, `test_accuracy` and `rqi` are of the last epoch; those of the
    control end in `_swapped`. `test_accuracy_untrained` and `rqi_untrained` are of the first
    epoch.
    """
    out: dict[str, Cell] = {
        "train_loss": float(run.loss[-1]),
        "train_accuracy": float(run.train_accuracy[-1]),
        "test_accuracy": float(run.test_accuracy[-1]),
        "rqi": float(run.rqi[-1]),
        "test_accuracy_untrained": float(run.test_accuracy[0]),
        "rqi_untrained": float(run.rqi[0]),
    }
    if run.control is not None:
        control = final(run.control)
        out |= {f"{n}_swapped": v for n, v in control.items() if not n.endswith("_untrained")}
    return out


def algebra(run: Trajectory) -> dict[str, Cell]:
    """The best result that the training set allows, and the accuracy that the learnt line predicts.

    `n_questions`, `n_parallelograms`: numbers in the task; `accuracy`: on all questions. For
    addition only: `ideal_accuracy`, the most that the training set allows on the test questions;
    `ideal_rqi`; `free_directions`, the nullity minus 2 for shift and scale; `predicted_accuracy`,
    on all questions, from the closed parallelograms. Accuracies of the control end in `_swapped`.
    """
    task, spec = run.task, run.spec
    n, n_right = len(task.pairs), int(run.train_right[-1]) + int(run.test_right[-1])
    out: dict[str, Cell] = {
        "n_questions": n,
        "n_parallelograms": len(task.parallelograms),
        "accuracy": n_right / n,
    }
    if run.control is not None:
        control = algebra(run.control)
        out |= {f"{k}_swapped": v for k, v in control.items() if k.endswith("accuracy")}
        out.pop("ideal_accuracy_swapped", None)
    if spec.operation != "addition":
        return out
    best = ideal(task, run.train)
    closed = residuals(task, run.latent[-1].astype(float)) < CLOSE["addition"]
    _, predicted = predicted_accuracy(task, run.train, closed)
    return out | {
        "ideal_accuracy": best.test_accuracy,
        "ideal_rqi": best.rqi,
        "free_directions": best.nullity - 2,
        "predicted_accuracy": predicted,
    }


def effective(run: Trajectory) -> dict[str, Cell]:
    """The effective theory of a run, for one-dimensional representations of addition.

    `lambda_3` (as in the paper, with the mean over P0(D)) and `n_h` = 1 / (lambda_3 eta_repr) in
    epochs (NaN if infinite) are computed at the untrained representation, scaled to unit
    deviation. `t_rqi_theory` is the step at which the dynamics of the published code (with the sum
    over all parallelograms), integrated from there, pass the protocol's RQI; the last epoch for
    never. `n_h` and `t_rqi_theory` of the control end in `_swapped`.
    """
    spec = run.spec
    if spec.operation != "addition" or spec.latent_dim != 1:
        return {}
    start = unit_deviation(run.latent[0, :, 0])
    theory = EffectiveTheory.of(run.task, run.train)
    out: dict[str, Cell] = {"lambda_3": theory.rate(start)}
    rates = {"": spec.eta_repr, "_swapped": spec.eta_dec}
    for name, eta in rates.items() if run.control is not None else [("", spec.eta_repr)]:
        n_h = theory.steps(start, eta) if eta else np.inf
        out[f"n_h{name}"] = n_h if np.isfinite(n_h) else np.nan
        out[f"t_rqi_theory{name}"] = _linear_at(run, start, eta)
    return out


def unit_deviation(latent: NDArray[Any]) -> NDArray[np.float64]:
    """A representation ``(n_symbols,)`` scaled to mean 0 and unbiased standard deviation 1."""
    latent = latent.astype(float)
    return np.asarray((latent - latent.mean()) / latent.std(ddof=1))


def _linear_at(run: Trajectory, start: NDArray[np.float64], eta: float) -> int:
    theory = EffectiveTheory.published(run.task)
    along = theory.integrate(start, eta, run.spec.epochs)
    rqi = (residuals(run.task, along[..., None]) < CLOSE["addition"]).mean(axis=-1)
    passed = rqi > LINEAR[run.spec.protocol]
    return int(np.argmax(passed)) if passed.any() else run.spec.epochs - 1
