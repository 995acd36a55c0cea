"""Multitask sparse parity: its samples, its networks, and how they are trained."""

from allometry.sparse_parity.procedure import Course, SparseParity, packs_of
from allometry.sparse_parity.spec import ParityRun
from allometry.sparse_parity.task import Task

__all__ = ["Course", "ParityRun", "SparseParity", "Task", "packs_of"]
