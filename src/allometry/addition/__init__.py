"""The toy model of grokking: addition, or composition of permutations, in representation space.

Liu, Kitouni, Nolte, Michaud, Tegmark & Williams 2022, "Towards Understanding Grokking: An
Effective Theory of Representation Learning", 2205.10343.
"""

from allometry.addition.algebra import coefficients, counts_unique, ideal
from allometry.addition.course import Course, phase
from allometry.addition.experiment import ToyModel
from allometry.addition.measures import algebra, effective, final, learnt
from allometry.addition.procedure import ToyTraining, train_runs
from allometry.addition.task import Task, addition_task, permutation_task
from allometry.addition.theory import EffectiveTheory

__all__ = [
    "Course", "EffectiveTheory", "Task", "ToyModel", "ToyTraining", "addition_task", "algebra",
    "coefficients", "counts_unique", "effective", "final", "ideal", "learnt",
    "permutation_task", "phase", "train_runs",
]  # fmt: skip
