"""Data sets: get them, check them, sample them.

Real images are fetched once, kept in a cache and checked by SHA-256 at every
load (`get`, `find`, `available`, and `allometry.datasets.images`). Synthetic
data is drawn when it is needed, one module for each kind.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from allometry.datasets.catalogue import available as available
from allometry.datasets.catalogue import find as find
from allometry.datasets.catalogue import get as get
from allometry.datasets.description import DataFile as DataFile
from allometry.datasets.description import DataSet as DataSet

if TYPE_CHECKING:
    from allometry.datasets.modular import ModularAddition as ModularAddition
    from allometry.datasets.splits import Data as Data
    from allometry.datasets.splits import ImageSubset as ImageSubset
    from allometry.datasets.splits import LeadingImages as LeadingImages
    from allometry.datasets.splits import Moons as Moons
    from allometry.datasets.splits import Split as Split

# Specs, loaded when first used: they bring pydantic, which `allometry data` does not need.
_HOME = {
    "Data": "splits",
    "ImageSubset": "splits",
    "LeadingImages": "splits",
    "ModularAddition": "modular",
    "Moons": "splits",
    "Split": "splits",
}

__all__ = [
    "Data", "DataFile", "DataSet", "ImageSubset", "LeadingImages", "ModularAddition", "Moons",
    "Split", "available", "find", "get",
]  # fmt: skip


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'allometry.datasets' has no attribute {name!r}")
        return getattr(import_module(f"allometry.datasets.{_HOME[name]}"), name)
