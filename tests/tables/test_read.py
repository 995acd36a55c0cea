"""Reading tables: what is accepted, what is refused, and that nothing else escapes."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allometry.errors import AllometryError, DataError, UsageError
from allometry.fitting.fit import fit
from allometry.tables.read import read_table
from allometry.tables.table import Table


def write(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_plain_csv(tmp_path):
    table = read_table(write(tmp_path, "n,loss,name\n100,1.5e0,a\n200,,b\n"))
    assert table["n"].tolist() == [100, 200] and table["n"].dtype == np.int64
    assert np.isnan(table["loss"][1]) and table["name"].tolist() == ["a", "b"]


def test_what_a_table_writes_is_read_back(tmp_path):
    table = Table({"x": np.geomspace(1, 1e9, 7), "y": np.random.default_rng(0).random(7)})
    table.to_csv(tmp_path / "t.csv")
    back = read_table(tmp_path / "t.csv")
    assert all(np.array_equal(back[c], table[c]) for c in table.columns)


def test_json_lines_and_parquet(tmp_path):
    path = write(tmp_path, '{"x": 1, "y": 2.5}\n\n{"x": 2, "y": null}\n', "t.jsonl")
    assert read_table(path)["x"].tolist() == [1, 2] and np.isnan(read_table(path)["y"][1])
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.table({"x": [1, 2], "y": [1.5, None]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n,loss\n1.5M,2\n", r"line 2, column 'n'.*'1\.5M'"),
        ("n,loss\n7b,2\n", "line 2, column 'n'"),
        ('n,loss\n1,2\n"1,500",2\n', "line 3, column 'n'"),
        ("n,loss\n1,2\nx,2\n", "line 3, column 'n'"),
        ("n,loss\n1,2\n3\n", "line 3: 2 cells"),
        ("n,n\n1,2\n", "two columns are called 'n'"),
        ("n,\n1,2\n", "column 2 has no name"),
        ("1,2\n3,4\n", "header of column names"),
        ("", "is empty"),
        ("n,loss\n", "no rows"),
        (b"n,loss\n1,\xff\n", "line 2: UTF-8"),
        (b"n,loss\n1,\x00\n", "NUL"),
        ('n,loss\n1,"2\n', "line 2"),
    ],
)
def test_a_bad_csv_is_refused_by_line_and_column(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as refusal:
        read_table(write(tmp_path, text))
    assert "t.csv" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"x": 1}\n[1]\n', "line 2: a JSON object was expected, got list"),
        ('{"x": 1}\n{"x": "2M"}\n', "line 2, column 'x'"),
        ('{"x": 1, "x": 2}\n', "key 'x' twice"),
        ('{"x": [1]}\n', "line 1, column 'x'"),
        ('{"x": 1\n', "line 1: a JSON object"),
    ],
)
def test_bad_json_lines_are_refused_by_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read_table(write(tmp_path, text, "t.jsonl"))


def test_text_like_numbers_is_text_where_numbers_are_not_needed(tmp_path):
    path = write(tmp_path, "model,note,n,loss\n7B,3,1,2\n13B,x,2,1\n")
    table = read_table(path, {"n", "loss"})
    assert table["model"].tolist() == ["7B", "13B"] and table["note"].tolist() == ["3", "x"]
    with pytest.raises(DataError, match="line 2, column 'model'"):
        read_table(path, {"model", "loss"})
    lines = write(tmp_path, '{"x": 1, "note": 3}\n{"x": 2, "note": "a"}\n', "t.jsonl")
    assert read_table(lines, {"x"})["note"].tolist() == [3, "a"]
    with pytest.raises(DataError, match="line 2, column 'note'"):
        read_table(lines, {"note"})


def test_no_file_and_an_unknown_ending(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="expected"):
        read_table(write(tmp_path, "x", "t.xlsx"))


CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            "1",
            "-1",
            "0",
            "1e400",
            "nan",
            "inf",
            "1,5",
            "1.5M",
            "٣",
            "0x10",
            '"',
            "1_000",
            "\0",
            "\r",
            "\n",
            "é",
            "NA",
            "1e-320",
            "9" * 30,
            "true",
            "{",
            "[]",
        ]
    ),
    st.floats().map(repr),
    st.integers().map(str),
    st.text(max_size=6),
)
GRIDS = st.lists(st.lists(CELLS, max_size=4), max_size=6)


def survives(path):
    """Reading and fitting end in a fit or in words for a person."""
    try:
        table = read_table(path)
        fit(table, "power", {"x": "x", "y": "y"}, resamples=0, starts=2)
    except AllometryError as refusal:
        assert str(refusal)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(grid=GRIDS, header=st.sampled_from(["x,y\n", "x,y,z\n", "", "x\n"]))
def test_no_csv_escapes(tmp_path, grid, header):
    text = header + "\n".join(",".join(row) for row in grid)
    survives(write(tmp_path, text.encode("utf-8", "surrogatepass")))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=200), ending=st.sampled_from(["csv", "jsonl", "parquet", "tsv"]))
def test_no_bytes_escape(tmp_path, data, ending):
    survives(write(tmp_path, data, f"t.{ending}"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.dictionaries(st.sampled_from(["x", "y", ""]), JSON) | JSON, max_size=5))
def test_no_json_escapes(tmp_path, rows):
    survives(write(tmp_path, "\n".join(json.dumps(row) for row in rows), "t.jsonl"))
