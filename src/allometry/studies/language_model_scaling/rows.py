"""The study's columns, and the role of each of its runs."""

from allometry.datasets import Bytes, Text
from allometry.datasets.text.yardsticks import yardsticks
from allometry.errors import DataError
from allometry.measures import Network, bits_per_byte, sampled_text
from allometry.studies.language_model_scaling.grid import BYTES, SIZES, budget_of
from allometry.tables.table import Table

__all__ = [
    "LENGTH", "PROMPT", "fitted", "grid_seeds", "of_role", "of_source", "repeated", "scores",
]  # fmt: skip

# Of the generated text. It is sampled at temperature 1, so that its distribution is the one the
# loss is computed from, and with seed 0.
PROMPT, LENGTH = "When she opened the door, ", 300  # tokens, which are bytes


def scores(net: Network) -> dict[str, float | int | str]:
    """Losses in nats per token and bits per byte, the run's role, and text its model generates.

    Only trained byte models of the grid and of the larger run have text.

    Raises:
        DataError: the run's data set is not a text.
    """
    data = net.spec.data
    if not isinstance(data, Text):
        raise DataError(f"expected a run on text, got one on {type(data).__name__}")
    of_bytes = bits_per_byte(net)
    row: dict[str, float | int | str] = {
        "test_loss": net.losses["test_loss"],
        "bits_per_byte": of_bytes["test_bits_per_byte"],
        "tested_bytes": int(of_bytes["test_bytes"]),
        "source": data.source,
        "unique_tokens": data.n_used * data.context,
        "role": role_of(net),
    }
    if data.valid_tokens:
        row["valid_loss"] = net.losses["valid_loss"]
    if data.source_entropy is not None:
        row["source_entropy"] = data.source_entropy
    if row["role"] == "forecast":
        row |= yardsticks(data, given_training=False)
    if net.step and row["role"] in ("fit", "forecast") and isinstance(data.tokeniser, Bytes):
        row |= sampled_text(net, prompt=PROMPT, tokens=LENGTH)
    return row


def role_of(net: Network) -> str:
    """``tuning``, ``control`` (another source or a repeated slice), ``forecast`` or ``fit``."""
    data = net.spec.data
    assert isinstance(data, Text)
    if data.valid_tokens:
        return "tuning"
    if data.source != "text" or data.train_tokens is not None:
        return "control"
    counts, train = net.model.counts(), net.spec.train
    flop = counts.forward_flop + counts.backward_flop
    compute = flop * train.updates(data.n_used) * train.batch_size
    is_forecast = budget_of(compute) in {size.forecast for size in SIZES.values()}
    return "forecast" if is_forecast else "fit"


def of_role(table: Table, role: str) -> Table:
    """The finished runs with this role."""
    return table.take((table["role"] == role) & (table["status"] == "done"))


def fitted(table: Table, vocabulary: int = BYTES) -> Table:
    """The runs of the grid with this vocabulary, to which laws are fitted."""
    runs = of_role(table, "fit")
    return runs.take(runs["vocabulary"] == vocabulary)


def repeated(table: Table) -> Table:
    """The runs on repeated slices of the text."""
    runs = of_role(table, "control")
    return runs.take(runs["source"] == "text")


def of_source(table: Table, source: str) -> Table:
    """The control runs on this source."""
    runs = of_role(table, "control")
    return runs.take(runs["source"] == source)


def grid_seeds(table: Table) -> list[int]:
    """The seeds of the whole grid: those of the tuning runs, or of the grid without tuning."""
    first = of_role(table, "tuning")
    runs = first if len(first) else of_role(table, "fit")
    return sorted(set(runs["seed"].tolist()))
