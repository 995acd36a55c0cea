"""A table keeps what it is given, through rows, selections and CSV text."""

import csv
import io
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.errors import DataError, UnavailableError, UsageError
from allometry.tables.read import read_table
from allometry.tables.table import Table

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)
ROWS = st.lists(
    st.tuples(ANY_NUMBER, st.integers(-(2**62), 2**62), ANY_TEXT, st.booleans()),
    min_size=1,
    max_size=8,
)

RUNS = Table({
    "seed": [43, 42, 43, 42],
    "n_params": [10, 20, 20, 10],
    "loss": [1.5, math.nan, 0.5, 2.5],
    "name": ["a", "b", "c", "d"],
})  # fmt: skip


def same_number(text, value):
    """Text read back is the number, bit for bit; an empty cell is NaN."""
    return math.isnan(value) if text == "" else float(text) == value


@given(ROWS)
def test_csv_gives_back_every_value(rows):
    x, n, words, flags = (list(column) for column in zip(*rows, strict=True))
    text = Table({"x": x, "n": n, "wo,rd\n": words, "flag": flags}).to_csv()
    head, *body = csv.reader(io.StringIO(text, newline=""))
    assert head == ["x", "n", "wo,rd\n", "flag"]
    assert len(body) == len(rows)
    for (a, b, c, d), row in zip(body, rows, strict=True):
        assert same_number(a, row[0])
        assert int(b) == row[1]
        assert (c, d) == (row[2], str(row[3]))


def test_csv_in_a_file_is_the_text(tmp_path):
    path = tmp_path / "runs.csv"
    table = Table({"a": ["é, \N{SNOWMAN}", 'say "so"', "two\nlines"]})
    path.write_bytes(b"old")
    table.to_csv(path)
    assert path.read_bytes().decode("utf-8") == table.to_csv()
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a"], ["é, \N{SNOWMAN}"], ['say "so"'], ["two\nlines"]]


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    for module, extra, use in (
        ("pandas", "pandas", RUNS.to_pandas),
        ("pyarrow", "parquet", lambda: read_table(tmp_path / "t.parquet")),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UnavailableError, match=rf"pip install 'allometry\[{extra}\]'"):
            use()


def test_pandas_reads_the_csv_as_the_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "runs.csv"
    RUNS.to_csv(path)
    pandas.testing.assert_frame_equal(pandas.read_csv(path), RUNS.to_pandas(), check_dtype=False)


def test_rows_of_different_keys_become_columns_with_gaps():
    table = Table.from_rows([{"a": 1, "b": "x"}, {"a": 2, "c": 0.5}])
    assert table.columns == ("a", "b", "c")
    assert table["a"].dtype == np.int64
    assert math.isnan(table["c"][0]) and table["c"][1] == 0.5
    assert table["b"].tolist() == ["x", None]


@given(ROWS)
def test_rows_come_back_as_they_went_in(rows):
    dicts = [dict(zip("xnwf", row, strict=True)) for row in rows]
    back = list(Table.from_rows(dicts))
    assert [repr(list(r.values())) for r in back] == [repr(list(r.values())) for r in dicts]


def test_where_take_and_sort():
    assert RUNS.where(seed=42, n_params=10)["name"].tolist() == ["d"]
    assert len(RUNS.where(name="nobody")) == 0
    assert RUNS.take(RUNS["loss"] > 1)["name"].tolist() == ["a", "d"]
    assert RUNS.take([2, 0])["name"].tolist() == ["c", "a"]
    assert RUNS.sort("seed", "n_params")["name"].tolist() == ["d", "b", "a", "c"]
    assert RUNS.sort("n_params", "seed")["name"].tolist() == ["d", "a", "b", "c"]


def test_groups_cover_every_row_once_in_order_of_first_sight():
    groups = list(RUNS.groups("seed"))
    assert [key for key, _ in groups] == [(43,), (42,)]
    assert [rows["name"].tolist() for _, rows in groups] == [["a", "c"], ["b", "d"]]
    assert len(list(RUNS.groups("seed", "n_params"))) == 4


def test_a_selection_keeps_the_trajectories():
    along = {"a": {"epoch": np.arange(3)}}
    table = Table({"run_id": ["a", "b"]}, along)
    assert table.where(run_id="a").trajectories == along
    assert table.with_columns(x=[1, 2]).trajectories == along


def test_columns_are_added_to_a_copy():
    more = RUNS.with_columns(double=2 * RUNS["n_params"], seed=[0, 0, 0, 0])
    assert more["double"].tolist() == [20, 40, 40, 20]
    assert more["seed"].tolist() == [0, 0, 0, 0] and RUNS["seed"].tolist() == [43, 42, 43, 42]
    assert "double" in more and "double" not in RUNS


def test_an_empty_table_is_a_table():
    table = Table({})
    assert (len(table), table.columns, list(table)) == (0, (), [])
    assert len(RUNS.where(seed=0)) == 0
    assert RUNS.where(seed=0).columns == RUNS.columns


def test_what_cannot_be_a_table_is_refused_in_words():
    with pytest.raises(DataError, match="one length"):
        Table({"a": [1, 2], "b": [1]})
    with pytest.raises(DataError, match="one dimension"):
        Table({"a": np.zeros((2, 2))})
    with pytest.raises(UsageError, match=r"no column 'lost'.*seed, n_params, loss, name"):
        RUNS["lost"]
    with pytest.raises(UsageError, match="no column"):
        RUNS.where(lost=1)


def test_the_notebook_view_escapes_what_a_cell_says():
    shown = Table({"<b>": ["<script>"], "x": [0.123456]})._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "&lt;b&gt;" in shown
    assert "0.1235" in shown
    assert repr(RUNS).startswith("Table: 4 rows, 4 columns\n")


def test_a_long_table_shows_its_ends_in_a_notebook_and_how_long_it_is():
    html = Table({"x": range(10_000)})._repr_html_()
    assert html.count("<tr>") == 1 + 40 + 1 + 10
    assert "<td>0</td>" in html and "<td>9999</td>" in html and "… 9,950 rows more …" in html
    assert "<p>10000 rows, 1 column</p>" in html
    short = Table({"x": range(51)})._repr_html_()
    assert short.count("<tr>") == 1 + 51 and "…" not in short
