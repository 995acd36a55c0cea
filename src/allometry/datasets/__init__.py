"""Data sets: get them, check them, sample them.

Real images are fetched once, kept in a cache and checked by SHA-256 at every
load (`get`, `find`, `available`, and `allometry.datasets.images`). Synthetic
data is drawn when it is needed, one module for each kind. Your own data are
arrays (`Arrays`), files (`read_npz`, `read_npy`, `read_csv`, `read_parquet`,
`read_images`, `read_text`) or a class (`Data`).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from allometry.datasets.catalogue import available as available
from allometry.datasets.catalogue import find as find
from allometry.datasets.catalogue import get as get
from allometry.datasets.description import DataFile as DataFile
from allometry.datasets.description import DataSet as DataSet

if TYPE_CHECKING:
    from allometry.datasets.arrays import Arrays as Arrays
    from allometry.datasets.columns import read_csv as read_csv
    from allometry.datasets.columns import read_parquet as read_parquet
    from allometry.datasets.data import Data as Data
    from allometry.datasets.image_folder import read_images as read_images
    from allometry.datasets.modular import ModularAddition as ModularAddition
    from allometry.datasets.numpy_files import read_npy as read_npy
    from allometry.datasets.numpy_files import read_npz as read_npz
    from allometry.datasets.split import Split as Split
    from allometry.datasets.splits import ImageSubset as ImageSubset
    from allometry.datasets.splits import LeadingImages as LeadingImages
    from allometry.datasets.splits import Moons as Moons
    from allometry.datasets.teacher import Teacher as Teacher
    from allometry.datasets.text.text import Text as Text
    from allometry.datasets.text.text import read_text as read_text
    from allometry.datasets.text.tokenisers import BytePair as BytePair
    from allometry.datasets.text.tokenisers import Bytes as Bytes
    from allometry.datasets.text.tokenisers import Characters as Characters

# Specs, loaded when first used: they bring pydantic, which `allometry data` does not need.
_HOME = {
    "Arrays": "arrays",
    "BytePair": "text.tokenisers",
    "Bytes": "text.tokenisers",
    "Characters": "text.tokenisers",
    "Data": "data",
    "ImageSubset": "splits",
    "LeadingImages": "splits",
    "ModularAddition": "modular",
    "Moons": "splits",
    "Split": "split",
    "Teacher": "teacher",
    "Text": "text.text",
    "read_csv": "columns",
    "read_images": "image_folder",
    "read_npy": "numpy_files",
    "read_npz": "numpy_files",
    "read_parquet": "columns",
    "read_text": "text.text",
}

__all__ = [
    "Arrays", "BytePair", "Bytes", "Characters", "Data", "DataFile", "DataSet", "ImageSubset",
    "LeadingImages", "ModularAddition", "Moons", "Split", "Teacher", "Text", "available", "find",
    "get", "read_csv", "read_images", "read_npy", "read_npz", "read_parquet", "read_text",
]  # fmt: skip


if not TYPE_CHECKING:  # with `__getattr__` a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'allometry.datasets' has no attribute {name!r}")
        return getattr(import_module(f"allometry.datasets.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
