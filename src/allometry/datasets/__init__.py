"""Data sets: get them, check them, sample them.

Real images are fetched once, kept in a cache and checked by SHA-256 at every
load (`get`, `find`, `available`, and `allometry.datasets.images`). Synthetic
data is drawn when it is needed, one module for each kind.
"""

from allometry.datasets.catalogue import available as available
from allometry.datasets.catalogue import find as find
from allometry.datasets.catalogue import get as get
from allometry.datasets.description import DataFile as DataFile
from allometry.datasets.description import DataSet as DataSet
from allometry.datasets.modular import ModularAddition as ModularAddition
from allometry.datasets.splits import Data as Data
from allometry.datasets.splits import ImageSubset as ImageSubset
from allometry.datasets.splits import LeadingImages as LeadingImages
from allometry.datasets.splits import Moons as Moons
from allometry.datasets.splits import Split as Split

__all__ = [
    "Data", "DataFile", "DataSet", "ImageSubset", "LeadingImages", "ModularAddition", "Moons",
    "Split", "available", "find", "get",
]  # fmt: skip
