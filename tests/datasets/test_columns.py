"""Tables as data: columns of numbers, and targets that are never guessed."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from allometry.datasets import Arrays, read_csv, read_parquet
from allometry.errors import DataError, UnavailableError, UsageError
from allometry.spec.torch_draws import TorchDraws

WIDTHS, HEIGHTS = [0.5, 1.25, 2.0, 3.0], [1.0, 2.0, 3.0, 4.5]
X = np.array([WIDTHS, HEIGHTS]).T
KINDS = ["cat", "dog", "cat", "ant"]
NUMBERS = [1, 2, 1, 0]  # of ant, cat, dog
TABLE = {"width": WIDTHS, "height": HEIGHTS, "kind": KINDS, "price": [10.5, 7.0, 3.0, 2.25]}


@pytest.fixture
def csv(tmp_path):
    def write(text=None, name="data.csv", **columns):
        rows = zip(*columns.values(), strict=True)
        lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
        (tmp_path / name).write_text(text or "\n".join(lines) + "\n")
        return tmp_path / name

    return write


def test_text_is_classes_in_sorted_order(csv):
    data = read_csv(csv(**TABLE), "kind", features=("width", "height"), test=1)
    assert data == Arrays.of(X, np.array(NUMBERS), test=1, classes=("ant", "cat", "dog"))
    assert data.classes == ("ant", "cat", "dog")


def test_decimals_are_real_targets_and_all_other_columns_features(csv):
    table = {name: TABLE[name] for name in ("width", "price", "height")}
    data = read_csv(csv(**table), target="price", test=0.25, name="prices", standardise=True)
    price = np.array(TABLE["price"])
    assert data == Arrays.of(X, price, test=0.25, name="prices", standardise=True)


def test_several_targets(csv):
    data = read_csv(csv(**TABLE), ["price", "height"], features=["width"], test=1)
    targets = np.array([TABLE["price"], HEIGHTS]).T
    assert data == Arrays.of(X[:, :1], targets, test=1)


def test_whole_numbers_are_what_is_said(csv):
    path = csv(x=[1, 2, 3], y=[30, 7, 30])
    with pytest.raises(UsageError, match=r"data.csv, line 2, .*'y'.* classes=True or classes=Fal"):
        read_csv(path, test=1)
    x = np.array([[1], [2], [3]])
    classes = read_csv(path, classes=True, test=1)
    assert classes == Arrays.of(x, np.array([1, 0, 1]), test=1, classes=("7", "30"))
    assert read_csv(path, classes=False, test=1) == Arrays.of(x, np.array([30.0, 7, 30]), test=1)


def test_numbers_and_text_together_are_classes_where_that_is_said(csv):
    path = csv("x,y\n1,7B\n2,30\n3,7B\n")
    data = read_csv(path, features="x", classes=True, test=1)
    assert data.classes == ("30", "7B")


def test_a_test_file_shares_the_classes(csv):
    train = csv(x=[1, 2, 3], y=["b", "c", "b"])
    test = csv(name="test.csv", y=["c", "a"], x=[5, 6])
    split = read_csv(train, test=test).prepare(TorchDraws(0))
    assert (split.train_y.tolist(), split.test_y.tolist()) == ([1, 2, 1], [2, 0])
    assert split.test_x.tolist() == [[5], [6]]


def test_parquet_and_csv_and_renamed_files_are_the_same_data(csv, tmp_path):
    arguments = {"target": "kind", "features": ("width", "height"), "test": 2}
    data = read_csv(csv(**TABLE), **arguments)
    pq.write_table(pa.table(TABLE), tmp_path / "data.parquet")
    assert read_parquet(tmp_path / "data.parquet", **arguments) == data
    assert read_csv(csv(**TABLE, name="renamed.csv"), **arguments) == data


def test_parquet_without_its_extra_is_named(tmp_path, monkeypatch):
    pq.write_table(pa.table(TABLE), tmp_path / "data.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnavailableError, match=r"pip install 'allometry\[parquet\]'"):
        read_parquet(tmp_path / "data.parquet", "price", test=1)


REFUSED = {
    "a word": ("x,y\n1,0.5\n2,0.5\nthree,0.5\n", {}, r"csv, line 4, column 'x'.*'three'"),
    "a gap": ("x,y\n1,0.5\n,0.5\n", {}, r"csv, line 3, column 'x' \(feature\): .*missing value"),
    "nan": ("x,y\n1,0.5\nnan,0.5\n", {}, "line 3, column 'x'.*leave these rows out"),
    "inf": ("x,y\n1,0.5\ninf,0.5\n", {}, "line 3, column 'x'.*got inf"),
    "text": ("x,y\na,0.5\nb,0.5\n", {}, r"line 2, column 'x' \(feature\): a number.*'a'"),
    "no target": ("x,y\n1,0.5\n2,\n", {}, r"line 3, column 'y' \(target\)"),
    "no class": ("x,y\n1,a\n2,\n", {}, r"line 3, column 'y' \(target\): a class is missing"),
    "a mixed target": ("x,y\n1,0.5\n2,a\n", {}, "line 3, column 'y'"),
    "a number among text": (
        "x,y\n1,a\n2,0.5\n", {"features": ["x"]}, "line 3, column 'y' .*'0.5', among text; .*=True"
    ),
    "the target as a feature": ("x,y\n1,0.5\n", {"features": ["x", "y"]}, "got x, y and y"),
    "text as numbers": ("x,y\n1,a\n2,b\n", {"classes": False}, "line 2, column 'y' .*number"),
    "no such target": ("x,z\n1,a\n2,b\n", {}, "no column 'y' in this table; it has x, z"),
    "no such feature": ("x,y\n1,a\n", {"features": ["w"]}, "no column 'w'"),
    "no features": ("y\na\nb\n", {}, "columns of features and other .*, got none and y"),
    "two of classes": ("x,y,z\n1,a,b\n", {"target": ["y", "z"]}, "one target column of classes"),
    "header alone": ("x,y\n", {}, "a header but no rows"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "arguments", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_of_examples_is_refused_by_line(csv, text, arguments, words):
    with pytest.raises((DataError, UsageError), match=words):
        read_csv(csv(text), **{"test": 1, **arguments})


def test_files_that_are_not_there_or_of_another_kind(tmp_path):
    with pytest.raises(UsageError, match=r"no file .*gone.csv; for one beside the study's file"):
        read_csv("gone.csv", test=0.5)
    with pytest.raises(UsageError, match=r"runs.parquet: a file with .*; read_parquet reads"):
        read_csv("runs.parquet", test=0.5)
    with pytest.raises(UsageError, match=r"runs.csv: a file with the ending .parquet"):
        read_parquet("runs.csv", test=0.5)
