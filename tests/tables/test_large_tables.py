"""Reading a table takes time and memory in proportion to its file, or it is refused by name."""

import gzip
import json
import os
import random
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from allometry.errors import AllometryError, DataError, UsageError
from allometry.tables import limits
from allometry.tables.read import as_table, read_table
from allometry.tables.table import Table


def read(tmp_path, name, content, **how):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, **how)


def names(count):
    return [f"c{i}" for i in range(count)]


COSTLY = {
    "wide.csv": lambda: ",".join(names(20_000)) + "\n" + ",".join("1" * 20_000),
    "wide.jsonl": lambda: json.dumps(dict.fromkeys(names(20_000), 1)),
    "wide.json": lambda: json.dumps([dict.fromkeys(names(20_000), 1)]),
    "digits.csv": lambda: "n,loss\n" + ("0" * 390 + "x,1\n") * 1000,
    "spaces.csv": lambda: "n,loss\n" + ("1,1" + " " * 390 + "x\n") * 1000,
    "separators.csv": lambda: "n;loss\n" + ("1;" + "1." * 190 + "x\n") * 1000,
    "short.csv": lambda: "n,m\n" + "1,2\n" * 200_000,
    "texts.csv": lambda: "n,m\n" + "".join(f"1,{i / 7}x\n" for i in range(40_000)),
    "comments.csv": lambda: "n,m\n1,2\n" + "#a\n" * 200_000,
    "blank.jsonl": lambda: "\n" * 500_000 + '{"n": 1}',
    "lines.jsonl": lambda: '{"n": 1, "m": 2.5}\n' * 40_000,
}
REFUSED = {
    "keys.jsonl": (lambda: "".join(f'{{"c{i}":1}}\n' for i in range(12_000)), "different keys"),
    "keys.json": (lambda: json.dumps([{f"c{i}": 1} for i in range(12_000)]), "different keys"),
    "integers.jsonl": (lambda: '{"n": %s}\n' % ("9" * 5000) * 200, "line 1: .*5000 digits"),
    "deep.json": (lambda: "[" * 1_000_000, "nested"),
    "deep.jsonl": (lambda: '{"a":' * 200_000, "line 1: .*nested"),
    "arrays.jsonl": (lambda: '{"a": [' + "1," * 400_000 + "1]}", "column 'a'"),
    "twice.jsonl": (lambda: "{" + ",".join(['"a":1'] * 200_000) + "}", "'a' twice"),
    "quote.csv": (lambda: 'n,loss\n1,"' + "1,2\n" * 200_000, "field larger"),
    "cell.csv": (lambda: "n,loss\n1," + "a" * 1_000_000, "field larger"),
    "commas.csv": (
        lambda: ",".join(names(20_000)) + "\n" + "1,2\n" * 10,
        r"and 19,950 more\), got 2",
    ),
    "columns.csv": (lambda: ",".join(names(60_000)) + "\n", "20,000 columns"),
    "nul.csv": (lambda: b"n,loss\n1,2\n" + b"\0" * 1_000_000, "line 3: a NUL"),
    "wide16.csv": (lambda: "n,loss\n1,2\n".encode("utf-16"), "line 1: .*UTF-16; save"),
    "bomb.csv.gz": (
        lambda: gzip.compress(b"n\n" + b"1\n" * 30_000_000),
        "unpacks to more than the 50 MB",
    ),
}


# Of processor time for a megabyte: one on a quiet machine, and more where other work shares its
# caches. What these guard against took 20 to 130.
SECONDS = 5


def seconds_for(act):
    begun = time.process_time()
    act()
    return time.process_time() - begun


@pytest.mark.parametrize("name", COSTLY)
def test_reading_takes_seconds_a_megabyte_at_most(tmp_path, name):
    content = COSTLY[name]()
    numbers = None if "x" not in content[-9:] else ()
    taken = seconds_for(lambda: read(tmp_path, name, content, numbers=numbers))
    assert taken < SECONDS * max(1, len(content) / 1e6)


@pytest.mark.parametrize("name", ["digits.csv", "spaces.csv", "separators.csv"])
def test_a_cell_that_is_no_number_is_refused_as_fast(tmp_path, name):
    def refuse():
        with pytest.raises(DataError, match="line 2"):
            read(tmp_path, name, COSTLY[name](), numbers=("n", "loss"))

    assert seconds_for(refuse) < SECONDS


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_table_is_refused_at_once(tmp_path, name):
    made, said = REFUSED[name]
    content = made()

    def refuse():
        with pytest.raises(DataError, match=said) as refusal:
            read(tmp_path, name, content)
        assert name in str(refusal.value) and len(str(refusal.value)) < 4000

    assert seconds_for(refuse) < SECONDS


def test_more_cells_than_are_read_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_CELLS", 100)
    monkeypatch.setattr(limits, "SMALL_CELLS", 100)
    for name, content in (("t.csv", "a,b\n" + "1,2\n" * 51), ("t.jsonl", '{"a":1,"b":2}\n' * 51)):
        with pytest.raises(DataError, match=f"{name} has 2 columns.*100 cells.*DataFrame"):
            read(tmp_path, name, content)


def test_objects_with_some_gaps_are_a_table(tmp_path):
    rows = [{"step": i, f"m{i % 20}": i / 2} for i in range(2000)]
    table = read(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    assert len(table) == 2000 and len(table.columns) == 21
    assert table["m3"][3] == 1.5 and np.isnan(table["m3"][4]) and np.isnan(table["m3"][-1])


# ---- Parquet -------------------------------------------------------------------------------


def test_a_small_parquet_file_of_large_texts_is_read_small(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    places = pyarrow.array(np.zeros(3000, np.int32))
    texts = pyarrow.DictionaryArray.from_arrays(places, ["a" * 1_000_000])
    parquet.write_table(pyarrow.table({"n": texts}), path, compression="zstd")
    assert path.stat().st_size < 1000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table = read_table(path, ())
    assert len(table) == 3000 and table["n"][2999] == "a" * 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_parquet_file_larger_than_it_looks_is_refused_by_its_own_word(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    for column, said in (
        (pyarrow.array(np.ones(3_000_000)), "2,500,000 cells"),
        (pyarrow.array([f"{i:05d}" * 20_000 for i in range(600)]), "unpacks to 60 MB"),
        (pyarrow.array([b"a" * 100_000] * 600, pyarrow.binary(100_000)), "unpacks to 60 MB"),
    ):
        parquet.write_table(pyarrow.table({"n": column}), path, compression="zstd")
        with pytest.raises(DataError, match=rf"t\.parquet .*{said}"):
            read_table(path)


# ---- lines, files, whole numbers -----------------------------------------------------------

NO_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_only_where_csv_says(tmp_path, end):
    rows = [f"1,a{mark}b,2" for mark in NO_ENDS]
    table = read(tmp_path, "t.csv", end.join(["n,name,loss", *rows]))
    assert table["name"].tolist() == [f"a{mark}b" for mark in NO_ENDS]
    table.to_csv(tmp_path / "again.csv")
    assert read_table(tmp_path / "again.csv")["name"].tolist() == table["name"].tolist()
    lines = "\n".join(json.dumps({"name": f"a{m}b"}, ensure_ascii=False) for m in NO_ENDS[4:])
    assert len(read(tmp_path, "t.jsonl", lines)) == 4
    with pytest.raises(DataError, match="line 2"):
        read(tmp_path, "t.jsonl", '{"n": 1}\n\u2028\n')


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    for name in ("pipe.csv", "folder.csv", "circle.csv", "n" * 300 + ".csv", "~nobody/x.csv"):
        with pytest.raises(UsageError):
            as_table(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([2**63 - 1, -(2**63)], "i"),
        ([2**63, 2**64 - 1, 0], "u"),
        ([2**63, -1], "O"),
        ([2**60 + 1, None], "O"),
        ([2**60 + 1, 0.5], "O"),
        ([2**53, None], "f"),
        ([3, 0.5], "f"),
    ],
)
def test_a_column_keeps_whole_numbers_exactly_here_and_through_files(tmp_path, values, kind):
    table = Table({"seed": [0] * len(values), "h": values})
    assert table["h"].dtype.kind == kind
    table.to_csv(tmp_path / "t.csv")
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in
                                                ({"seed": 0, "h": v} for v in values)))  # fmt: skip
    for one in (table, table.take([0, 1]), *map(read_table, tmp_path.glob("t.*"))):
        for came, value in zip(one["h"].tolist(), values, strict=False):
            assert came == value or (value is None and came != came) or (came is value)
    assert table.numbers("h", "a test").dtype == float


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**400, 10**4000])
def test_a_whole_number_that_64_bits_do_not_hold_is_refused_by_name(value):
    for values in ([1, value], [value, None], [0.5, value]):
        with pytest.raises(DataError, match=r"column 'h': .*2\*\*64-1"):
            Table({"h": values})


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_larger_whole_numbers_in_a_file_are_floats_and_said(tmp_path, name):
    def column(*texts):
        form = "h\n{}" if name == "t.csv" else "{}"
        cell = "{}" if name == "t.csv" else '{{"h": {}}}'
        return read(tmp_path, name, form.format("\n".join(map(cell.format, texts))))

    exact = column(6 * 10**21, 1)
    assert exact["h"].tolist() == [6e21, 1] and exact.notes == ()
    lossy = column(10**21 + 1, 1, 10**350)
    assert lossy["h"].tolist() == [1e21, 1, np.inf]
    assert "'h': whole numbers of more than 64 bits" in lossy.notes[0]


def test_conditions_compare_whole_numbers_exactly():
    for values in ([2**63, 2**63 + 1], [2**60, 2**60 + 1, None]):
        table = Table({"h": values})
        from allometry.tables.conditions import condition

        assert condition(table, f"h=={values[1]}").tolist()[:2] == [False, True]
        assert condition(table, f"h>={values[0]}").tolist()[:2] == [True, True]


# ---- anything ------------------------------------------------------------------------------

PIECES = [
    "n", "loss", ",", ";", "\t", "\n", "\r", '"', "#", "1", "-2.5", "1e400", "nan", "9" * 25,
    "1.3B", "n/a", "{", "}", "[", "]", ":", '{"n": 1, "loss": 2}\n', "null", "\ufeff", "\0", "é",
    "\u2028", "=1+1", " ", "sep=;", "true", "'", "\\", "\\ud800", '{"n": 1e999}\n',
]  # fmt: skip
WHOLE = [
    b"n,loss\n1,2\n3,4\n",
    b'[{"n": 1, "loss": 2.5}]',
    b'{"n": 1}\n{"n": 2}\n',
    gzip.compress(b"n,loss\n1,2\n", mtime=0),
]
ENDINGS = ["csv", "tsv", "jsonl", "json", "csv.gz", "parquet"]


def malformed(rng):
    """A text of pieces, or a table with bytes changed."""
    if rng.random() < 0.5:
        return "".join(rng.choices(PIECES, k=rng.randrange(40))).encode("utf-8")
    content = bytearray(rng.choice(WHOLE))
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


@pytest.mark.parametrize("count", [2000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_no_malformed_table_escapes(tmp_path, count, capsys):
    rng, tables, slowest = random.Random(3), 0, 0.0
    for _ in range(count):
        path = tmp_path / f"t.{rng.choice(ENDINGS)}"
        path.write_bytes(malformed(rng))
        begun = time.process_time()
        try:
            table = as_table(path, rng.choice([None, ("n", "loss")]))
            repr(table), table.to_csv()
            tables += 1
        except AllometryError as refusal:
            assert str(refusal)
        slowest = max(slowest, time.process_time() - begun)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with capsys.disabled():
        sys.stdout.write(f"\n{count} malformed tables: 0 uncaught, {tables} read, "
                         f"slowest {slowest:.2f} s, RSS {memory:.0f} MiB\n")  # fmt: skip
    assert slowest < SECONDS


# Of 50 MB and 2.5 million cells, each as dear as it can be.
LARGE = {
    "floats.csv": '"a\\n" + "".join(f"0.{i * 7 + 10**12}\\n" for i in range(2_490_000))',
    "texts.csv": '"a,b\\n" + "".join(f"x{i:015d},y{i:015d}\\n" for i in range(1_240_000))',
    "lines.jsonl": '"".join(\'{"a":"%07d"}\\n\' % i for i in range(2_490_000))',
    "array.json": '"[" + ",".join(["[[]]"] * 1_590_000) + "]"',
    "wide.csv": '",".join(f"c{i}" for i in range(19_000)) + ("\\n" + ",".join("1" * 19_000)) * 130',
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_tables_take_less_than_512_mb(tmp_path, name):
    path = tmp_path / name
    path.write_text(eval(LARGE[name]))
    code = (
        "import resource, sys\nfrom allometry.errors import AllometryError\n"
        "from allometry.fitting.fit import fit\nfrom allometry.tables.read import read_table\n"
        "try: read_table(sys.argv[1])\nexcept AllometryError: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 512 * 1024
