"""Plug-in mutual information of the first input, the first hidden unit and the label.

The definition is that of the make_moons demo of notebook 000 (`logarithmic_dynamics_demo`): each
quantity is binned into 30 cells, and the information is computed from the table of counts. Such an
estimate is biased upwards. For n examples of two independent quantities with a and b occupied
cells, the bias is about (a - 1)(b - 1) / (2 n ln 2) bits.
"""

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.models import MLP
from allometry.models.model import ACTIVATIONS

__all__ = ["cells", "first_unit_information", "mutual_information"]

BINS = 30


def first_unit_information(net: Network) -> dict[str, float]:
    """Mutual information of the first hidden unit over the training set, in bits.

    Returns:
        `information_input`, I(X; T) with the first input; `information_label`, I(T; Y) with the
        label.

    Raises:
        DataError: the model is not an `MLP` with a hidden layer.
    """
    if not isinstance(net.model, MLP) or len(net.model.widths) < 3:
        raise DataError(
            "this measure reads the first hidden unit: an MLP with a hidden layer expected, got "
            f"{type(net.model).__name__}"
        )
    x, y = net.split.train_x, net.split.train_y
    before = x @ net.params["weight0"][0] + net.params["bias0"][0]
    unit = cells(np.asarray(ACTIVATIONS[net.model.activation](before)))
    return {
        "information_input": mutual_information(cells(x[:, 0]), unit),
        "information_label": mutual_information(unit, y),
    }


def cells(values: NDArray[np.floating], bins: int = BINS) -> NDArray[np.int64]:
    """The cell of each value, 1 to `bins`.

    `bins` edges are evenly spaced from the lowest to the highest value. They bound ``bins - 1``
    intervals, closed below; the highest value is alone in the last cell.
    """
    edges = np.linspace(values.min(), values.max(), bins)
    return np.asarray(np.digitize(values, edges), np.int64)


def mutual_information(x: NDArray[np.integer], y: NDArray[np.integer]) -> float:
    """``sum p(x, y) log2(p(x, y) / p(x) p(y))`` from the counts of two lists of cells, in bits."""
    n_x, at_x = np.unique(x, return_inverse=True)
    n_y, at_y = np.unique(y, return_inverse=True)
    counts = np.zeros((len(n_x), len(n_y)))
    np.add.at(counts, (at_x, at_y), 1)
    joint = counts / len(x)
    alone = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    occupied = joint > 0
    return float((joint[occupied] * np.log2(joint[occupied] / alone[occupied])).sum())
