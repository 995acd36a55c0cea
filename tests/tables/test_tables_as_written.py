"""Tables as programs and people write them: read by a stated rule and said, or refused."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry.errors import DataError, UsageError
from allometry.tables.cells import Cells, decimal_mark, read_column
from allometry.tables.read import as_table, read_table
from allometry.tables.table import Table

PARAMS = [1_500_000, 6_000_000, 24_000_000, 96_000_000, 384_000_000, 1_500_000_000]
LOSS = [2.9873, 2.5075, 2.2535, 2.058, 1.9358, 1.8574]
MAPPED = ("params", "loss")


def rows(form, header="params,loss", params=PARAMS, loss=LOSS):
    """A text of a header and a line for each row, in a form with {p} and {l}."""
    return "\n".join([header, *(form.format(p=p, l=x) for p, x in zip(params, loss, strict=True))])


def read(tmp_path, text, name="runs.csv", numbers=MAPPED):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return as_table(path, numbers)


PLAIN = rows("{p},{l}")
COMMA = [str(x).replace(".", ",") for x in LOSS]
READ = {
    "plain": (PLAIN, None),
    "index": (rows("7,{p},{l}", ",params,loss"), "index without a name"),
    "trailing": (rows("{p},{l},", "params,loss,"), "empty column at the end"),
    "semicolon": (rows("{p};{l}", "params;loss"), "separated by semicolons"),
    "tab": (rows("{p}\t{l}", "params\tloss"), "separated by tabs"),
    "sep": ("sep=;\n" + rows("{p};{l}", "params;loss"), "separated by semicolons"),
    "decimal comma": (rows("{p};{l}", "params;loss", loss=COMMA), "decimal commas"),
    "comments": ("# exported 2026\n# by me\n" + PLAIN, "lines 1, 2 with #"),
    "comment between": (PLAIN.replace("\n6000000", "\n# half way\n6000000"), "line 3 with #"),
    "comments with commas": (
        "# by me, and you\n" + PLAIN.replace("\n6000000", "\n# half way, started again\n6000000"),
        "lines 1, 4 with #",
    ),
    "units": (
        rows("{p},{l}", params=["1.5M", "6M", "24 M", "96 million", ".384B", "1.5bn"]),
        "1.5M as 1500000",
    ),
    "crlf": (PLAIN.replace("\n", "\r\n"), None),
    "bom": (("\ufeff" + PLAIN), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_a_table_is_read_and_the_way_is_said(tmp_path, kind):
    text, note = READ[kind]
    table = read(tmp_path, text)
    assert table.columns == ("params", "loss")
    assert table["params"].tolist() == PARAMS and table["loss"].tolist() == LOSS
    if note is None:
        assert table.notes == ()
    else:
        assert [n for n in table.notes if note in n and n.startswith("runs.csv")], table.notes


@pytest.mark.parametrize("word", ["n/a", "#N/A", "-", "NULL", "<NA>", "NA"])
def test_a_word_for_missing_is_nan_and_named_by_line(tmp_path, word):
    table = read(tmp_path, PLAIN.replace("2.2535", word))
    assert np.isnan(table["loss"][2]) and np.isfinite(table["loss"]).sum() == 5
    assert table.notes == (
        f"runs.csv, column 'loss': {word!r} was read as a missing value, line 4",
    )
    first = read(tmp_path, f"params,loss\n1,2\n{word},3\n4,5\n")
    assert len(first) == 3 and np.isnan(first["params"][1])


REFUSED = {
    "word": (PLAIN.replace("2.2535", "OOM"), "line 4, column 'loss'.*leave the cell empty"),
    "thousands": (rows('"{p:,}",{l}'), "line 2, column 'params'"),
    "one thousand": ('params,loss\n"1,500",2\n', "line 2, column 'params'.*decimal or thousands"),
    "underscore": (rows("{p:_},{l}"), "line 2, column 'params'"),
    "power": (rows("{p}x10^6,{l}"), "line 2, column 'params'.*digits, a decimal point"),
    "narrow space": (rows("1\u202f500,{l}"), "line 2, column 'params'"),
    "dollar": (rows("{p},${l}"), "line 2, column 'loss'"),
    "plus minus": (rows("{p},{l}±0.01"), "line 2, column 'loss'"),
    "percent": (rows("{p},{l}%"), "line 2, column 'loss'.*fractions"),
    "ragged": (PLAIN.replace("2.2535", "2.2535,x"), "line 4: 2 cells"),
    "milli": (PLAIN.replace("24000000", "24m"), "line 4, column 'params'"),
    "all milli": (rows("{p}m,{l}").replace("1500000m", "1.5M"), "line 3.*thousandths"),
    "unit and none": (PLAIN.replace("24000000", "24M"), "line 2.*every cell with a unit, or none"),
    "commented header": (PLAIN.replace("params", "# params"), "line 1: a comment.*line 2"),
    "commented header, names": ("# n,loss,by\n# me\n1,2,x\n3,4,y\n", "line 1: a comment.*line 3"),
    "commented row": (PLAIN.replace("24000000", "#24000000"), "line 4: a comment was expected"),
    "two separators": ("a;b\tc;d\n1;2\t3;4\n", "semicolons or tabs"),
    "ambiguous comma": ("params;loss\n1,500;2\n2,500;1\n", "line 2, column 'params'"),
    "both marks": ("params;loss\n1,500;2.5\n2,500;1.5\n", "line 2, column 'params'"),
    "point thousands": ("params;loss\n1.500;2,98\n2.500;1,5\n", "line 2, column 'loss'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_may_be_read_two_ways_is_refused_by_file_line_and_column(tmp_path, kind):
    text, message = REFUSED[kind]
    with pytest.raises(DataError, match=message) as refusal:
        read(tmp_path, text)
    assert "runs.csv" in str(refusal.value)


def test_units_are_read_only_where_the_caller_allows_them(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("model,loss\n7B,2\n13B,1\n")
    with pytest.raises(DataError, match="line 2, column 'model'"):
        read_table(path)
    assert read_table(path, units=["model"])["model"].tolist() == [7e9, 13e9]
    assert as_table(path, {"loss"})["model"].tolist() == ["7B", "13B"]


def test_a_column_called_number_sign_is_no_comment(tmp_path):
    table = read(tmp_path, "#,loss\n1,2.5\n2,2.25\n", numbers=["loss"])
    assert table.columns == ("#", "loss") and table["#"].tolist() == [1, 2]


def test_json_records_and_compressed_text(tmp_path):
    records = [{"params": p, "loss": x} for p, x in zip(PARAMS, LOSS, strict=True)]
    for name, text in {
        "runs.json": json.dumps(records),
        "runs.csv.gz": gzip.compress(PLAIN.encode()),
        "runs.json.gz": gzip.compress(json.dumps(records, indent=1).encode()),
    }.items():
        table = read(tmp_path, text, name)
        assert table["params"].tolist() == PARAMS and table["loss"].tolist() == LOSS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", '{"params": {"0": 1}}', "array of objects was expected, got dict.*records"),
        ("t.json", '[{"params": 1},\n {"params": }]', "t.json: .*line 2, character 13"),
        ("t.json", '[{"params": 1}, {"params": "2M"}]', "t.json, row 2, column 'params'"),
        ("t.json", '[{"params": "1M"}]', "t.json, row 1, column 'params'"),
        ("t.json", "[1]", "t.json, row 1: a JSON object"),
        ("t.json", "[]", "is empty"),
        ("t.csv.gz", b"params,loss", "not a whole gzip file"),
        # A name of its own: the bytes hold the time, and two workers must collect equal names.
        pytest.param(
            "t.csv.gz", gzip.compress(PLAIN.encode())[:-9], "not a whole gzip file", id="cut.csv.gz"
        ),
    ],
)
def test_a_bad_json_or_gzip_file_is_refused(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, name)


@pytest.mark.parametrize(
    ("name", "advice"), [("t.xlsx", "CSV UTF-8"), ("t.txt", "save it with commas")]
)
def test_other_endings_say_what_to_do(tmp_path, name, advice):
    with pytest.raises(UsageError, match=advice):
        read(tmp_path, "x", name)


def test_whatever_holds_a_table_is_one():
    pandas = pytest.importorskip("pandas")
    columns = {"params": PARAMS, "loss": LOSS, "name": ["a", None, "b", "c", "d", "e"]}
    frame = pandas.DataFrame(columns)
    frame["whole"] = pandas.array([1, None, 3, 4, 5, 6], dtype="Int64")
    table = as_table(frame)
    assert table["params"].tolist() == PARAMS and table["loss"].tolist() == LOSS
    assert table["name"].tolist() == columns["name"]
    assert np.isnan(table["whole"][1]) and table["whole"][2] == 3
    assert as_table(columns)["loss"].tolist() == LOSS
    assert as_table(table) is table and isinstance(as_table(columns), Table)
    with pytest.raises(UsageError, match=r"dict of lists.*got int"):
        as_table(3)
    with pytest.raises(DataError, match="called 'a'"):
        as_table(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_a_row_keeps_its_line(tmp_path):
    table = read(tmp_path, "# note\nparams,loss\n1,2\n\n3,4\n5,6\n")
    assert table.place(1).endswith("runs.csv, line 5")
    assert table.take([2]).place(0).endswith("line 6")
    assert Table({"x": [1]}).place(0) == "row 1"
    lines = read(tmp_path, '\n{"params": 1, "loss": 2}\n{"params": 3, "loss": 4}\n', "runs.jsonl")
    assert lines.place(1).endswith("runs.jsonl, line 3")
    array = read(tmp_path, '[{"params": 1, "loss": 2}, {"params": 3, "loss": 4}]', "runs.json")
    assert array.take([False, True]).place(0).endswith("runs.json, row 2")


# ---- numbers written in any of the ways come back the same --------------------------------

NUMBERS = st.lists(
    st.one_of(st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False)),
    min_size=1,
    max_size=8,
)


def column(texts, **how):
    return Cells(Path("t.csv"), "x", range(2, len(texts) + 2), texts, "mapped", **how)


@settings(max_examples=200, deadline=None)
@given(first=NUMBERS, separator=st.sampled_from(",;\t"), mark=st.sampled_from(".,"),
       ending=st.sampled_from(["\n", "\r\n"]), index=st.booleans(), trailing=st.booleans(),
       comment=st.booleans(), data=st.data())  # fmt: skip
def test_a_number_is_never_read_wrongly(
    tmp_path_factory, first, separator, mark, ending, index, trailing, comment, data
):
    """Each layout gives the numbers that were written, or a refusal."""
    second = data.draw(st.lists(NUMBERS.map(lambda n: n[0]), min_size=len(first),
                                max_size=len(first)))  # fmt: skip
    lines = [["x", "y"], *([repr(a), repr(b)] for a, b in zip(first, second, strict=True))]
    if index:
        lines = [["" if i == 0 else str(i - 1), *line] for i, line in enumerate(lines)]
    if trailing:
        lines = [[*line, ""] for line in lines]
    if mark == ",":
        lines = [[cell.replace(".", ",") for cell in line] for line in lines]
    quote = '"' if separator == "," and mark == "," else ""
    text = ending.join(separator.join(f"{quote}{c}{quote}" for c in line) for line in lines)
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text(("# a comment" + ending if comment else "") + text + ending, newline="")
    try:
        table = as_table(path, ["x", "y"])
    except DataError as refusal:
        assert mark == "," and "line" in str(refusal) and "column" in str(refusal)
        return
    assert np.array_equal(table["x"].astype(float), np.array(first, dtype=float))
    assert np.array_equal(table["y"].astype(float), np.array(second, dtype=float))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.decimals(0, 10**6, places=3), st.sampled_from("kKMBbGT")),
        min_size=1,
        max_size=6,
    )
)
def test_units_multiply_exactly(pairs):
    powers = {"k": 3, "K": 3, "M": 6, "B": 9, "b": 9, "G": 9, "T": 12}
    values, notes = read_column(column([f"{d}{unit}" for d, unit in pairs], units=True))
    assert values == [float(d.scaleb(powers[unit])) for d, unit in pairs] and len(notes) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 999).map(lambda n: f"{n},{n:03d}"), min_size=1, max_size=5))
def test_commas_that_may_be_thousands_are_never_taken_for_decimals(texts):
    assert decimal_mark([texts]) == "."
    with pytest.raises(DataError, match="line 2, column 'x'"):
        read_column(column(texts))
    assert decimal_mark([texts, ["0,5"]]) == ","
    values, _ = read_column(column(texts, decimal=","))
    assert values == [float(text.replace(",", ".")) for text in texts]
