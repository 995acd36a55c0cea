"""Tables as people and programs get them wrong, and commands that read them."""

import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from tests.reliability.malformed_bytes import Malformed, spoilt

__all__ = ["table", "value"]

CELLS = (
    "", "1", "-1", "0", "2.5", "1e400", "-1e308", "1e308", "5e-324", "nan", "inf", "1,5", "1.5M",
    "7b", "0x10", '"', '""', '"a', "1_000", "\0", "\r", "é", "NA", "9" * 40, "9" * 5000, "true",
    "{", "[]", "1e", "--1", " 3 ", "1e5", "1e9", "3.3e2", "#", "=1+1", "\ud800",
    "9223372036854775808", "x" * 9000, "\x1b[2J", "[/x]", "\u202e", "1\u00a0000", "１２", "٣", "−3",
    "1.000,5", "$5", "5%", "1e5 FLOP", "None",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, 10**400, float("nan"), float("inf"), "", "x", "1", "\x1b[2J",
    [], {}, [1], {"a": 1}, "x" * 9000, 1e308, 5e-324, 2**63, -(2**63) - 1, "7b", "\ud800", "1.5M",
)  # fmt: skip
HEADERS = (
    "n,loss,g", "n,loss,g", "n,loss,g", "loss,n,g", "n,n,loss", "n", "", ",,", "n;loss;g",
    "n\tloss\tg", "N,Loss,G", " n , loss ,g", '"n","loss","g"', "n,loss,g,", "n|loss|g",
    "\ufeffn,loss,g", "1,2,3", "n,loss,\x1b[2J", "n,loss," + "x" * 9000, "n" * 70_000,
    ",".join(f"c{i}" for i in range(25_000)), '"n,loss,g', "n,loss\0,g", "#n,loss,g",
    "n,loss,log(n)", "損失,n,loss",
)  # fmt: skip
LAWS = ("power", "power_floor", "log", "exponential", "m3", "sigmoid")
OPTIONS = (
    "", "", "", "", "--filter n>10", "--filter g==a", "--filter loss<1e400", "--cluster g",
    "--by g", "--weights n", "--weights g", "--noise loss", "--predict x=1e6", "--drop-largest x:2",
    "--fixed alpha=nan", "--objective squared", "--objective absolute_log", "--delta 1e-300",
    "--start alpha=1e400", "--resamples 3 --interval pairs",
    "--resamples 3 --interval jackknife --cluster g", "--interval profile",
    "--resamples 3 --interval student", "--by g --shared alpha", "--json", "--json", "--level 0.5",
    "-o out.json",
)  # fmt: skip
MAPS = (
    "--map x=n --map y=loss", "--map x=n --map y=loss", "--map x=n --map y=loss",
    "--map x=g --map y=loss", "--map x=loss --map y=n", "--map x=n*loss --map y=1-loss",
    "--map x=log(n) --map y=loss**0.5", "--map x=n/0 --map y=loss", "--map x=nothing --map y=loss",
    "--map x=n**n**n --map y=loss",
)  # fmt: skip
QUICK = "--starts 1 --resamples 0"
PLANNED = "--map N=n --map D=n*20 --map L=loss"


def value(draw: random.Random) -> Any:
    """A value of its own, which a case may change."""
    return deepcopy(draw.choice(VALUES))


def _numbers(draw: random.Random) -> list[list[str]]:
    """Rows of a good table: sizes, losses, groups."""
    count = draw.choice((0, 1, 2, 3, 5, 8, 8, 8, 12, 12))
    sizes = [10.0 ** draw.uniform(0, 9) for _ in range(count)]
    groups = draw.choice(("a", "ab", "abc"))
    return [
        [f"{n:.4g}", f"{3 * n**-0.3 * draw.uniform(0.9, 1.1):.6g}", groups[i % len(groups)]]
        for i, n in enumerate(sizes)
    ]


def _spoil_cells(draw: random.Random, rows: list[list[str]]) -> None:
    for _ in range(draw.choice((0, 1, 1, 2, 3)) if rows else 0):
        draw.choice(rows)[draw.randrange(3)] = draw.choice(CELLS)


def _delimited(draw: random.Random) -> tuple[bytes, str]:
    rows = _numbers(draw)
    if draw.random() < 0.2:
        widths = [draw.choice((3, 3, 2, 4)) for _ in range(draw.randrange(9))]
        rows = [[draw.choice(CELLS) for _ in range(width)] for width in widths]
    elif draw.random() < 0.6:
        _spoil_cells(draw, rows)
    separator = draw.choice((",", ",", ",", ",", ";", "\t", "|"))
    end = draw.choice(("\n",) * 6 + ("\r\n", "\r", "\n\n"))
    header = HEADERS[0] if draw.random() < 0.7 else draw.choice(HEADERS)
    if draw.random() < 0.5:
        header = header.replace(",", separator)
    text = end.join([header, *(separator.join(row) for row in rows)])
    encoding = draw.choice(("utf-8",) * 30 + ("utf-16", "utf-8-sig", "utf-32-le", "utf-7"))
    halves = "replace" if encoding == "utf-7" else "surrogatepass"
    return text.encode(encoding, halves), draw.choice((".csv", ".csv", ".tsv"))


def _objects(draw: random.Random) -> list[Any]:
    rows: list[Any] = [{"n": float(n), "loss": float(y), "g": g} for n, y, g in _numbers(draw)]
    for _ in range(draw.choice((0, 1, 1, 2)) if rows else 0):
        at = draw.randrange(len(rows))
        match draw.randrange(4):
            case 0:
                rows[at] = value(draw)
            case 1 if isinstance(rows[at], dict):
                rows[at].pop(draw.choice(("n", "loss", "g")), None)
            case _ if isinstance(rows[at], dict):
                name = draw.choice(("n", "loss", "g", "", "x" * 9000, "\x1b[2J"))
                rows[at][name] = value(draw)
    return rows


def _json(draw: random.Random) -> tuple[bytes, str]:
    rows = _objects(draw)
    if draw.random() < 0.5:
        return "\n".join(map(json.dumps, rows)).encode(), draw.choice((".jsonl", ".ndjson"))
    whole: Any = draw.choice((rows, rows, rows, {"data": rows}, value(draw)))
    return json.dumps(whole, indent=draw.choice((None, 1))).encode(), ".json"


JSON_TEXTS = (
    "[" * 5000, "[[" * 50 + "]]" * 50, '{"n":1,"n":2}', "[{}]", "[{}", "[1]", "[null]", "nan", '"',
    "{", "}{", "[,]", '{"n": 1e999}', '{"n": -}', '{"n": 01}', "{'n': 1}", '{"n": 1,}',
    '{"\\ud800": 1}', '{"n": "\\ud800"}', "\ufeff[]", '{"n": ' + "9" * 500 + "}", '[{"n": 1}] x',
    "// c\n[]", '{"n": NaN}', "[" + "{}," * 5000 + "{}]", '{"n": 1}\n\n{"loss": 2}',
    "\n".join(f'{{"k{i}": 1}}' for i in range(2000)), '{"n": 1}\r{"n": 2}', "null", "true",
    '{"a": {"b": 1}}', '[{"n": [1]}]',
)  # fmt: skip


def _json_text(draw: random.Random) -> tuple[bytes, str]:
    return draw.choice(JSON_TEXTS).encode("utf-8", "surrogatepass"), draw.choice(
        (".json", ".jsonl")
    )


NAMES = ("n,loss,g", "n,loss,g", "n,loss,g", "n,n,loss", ",loss,n", "n,loss,\x1b[2J")  # in Parquet


def _parquet(draw: random.Random) -> tuple[bytes, str]:
    """A table of odd types, as another program may write it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _numbers(draw)
    n = len(rows)
    odd: tuple[tuple[object, Any], ...] = (
        (None, pa.null()), ([1], None), ({"a": 1}, None), (b"\xff", None), (True, None),
        (10**15, pa.timestamp("ns")), (2**63, pa.uint64()), (float("nan"), None), ("1.5", None),
        (0, pa.duration("s")), (0, pa.date32()), (1.5, pa.float16()), (None, pa.float64()),
        ("\x1b[2J", None), ("x" * 9000, None), (b"ab", pa.binary(2)), (1, pa.decimal128(38, 3)),
        ("a", pa.dictionary(pa.int8(), pa.string())), (1e308, None), (-1, pa.int8()),
    )  # fmt: skip
    columns = [
        pa.array([float(row[0]) for row in rows]),
        pa.array([float(row[1]) for row in rows]),
        pa.array([row[2] for row in rows]),
    ]
    for _ in range(draw.randrange(3)):
        value, kind = draw.choice(odd)
        columns[draw.randrange(3)] = pa.array([value] * n, kind)
    names = draw.choice(NAMES).split(",")
    file, packing = io.BytesIO(), draw.choice(("NONE", "snappy", "zstd"))
    pq.write_table(pa.Table.from_arrays(columns, names), file, compression=packing)
    return file.getvalue(), ".parquet"


ENDINGS = (
    ".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz", ".json.gz", ".xlsx", ".txt", "",
    ".CSV",
)  # fmt: skip


def _random(draw: random.Random) -> tuple[bytes, str]:
    return draw.randbytes(draw.randrange(300)), draw.choice(ENDINGS)


KINDS: Sequence[tuple[int, Callable[[random.Random], tuple[bytes, str]]]] = (
    (9, _delimited), (4, _json), (1, _json_text), (2, _parquet), (1, _random),
)  # fmt: skip


# How often of a hundred, and the rest of a command line.
COMMANDS = (
    (78, f"fit {{}} --law LAW {QUICK} MAP OPTION"),
    (4, "compare {} --laws power,log --map x=n --map y=loss --starts 1 --no-backtest"),
    (4, f"influence {{}} --law power {QUICK} MAP"),
    (3, f"multiverse {{}} --law power --try-objective squared_log {QUICK} MAP"),
    (4, f"plan {{}} {PLANNED} --compute 1e20 {QUICK}"),
    (2, f"plan {{}} {PLANNED} --design --compute 1e20"),
    (2, "plan fit.json --compute 1e20 --against {} --map N=n --map D=n --map L=loss"),
    (1, f"next {{}} {PLANNED} --budget 1e18 --target law --at-most 2 {QUICK}"),
    (2, "next fit.json --budget 1e18 --target waste@1e20 --at-most 2 --candidates {}"),
)


def _command(draw: random.Random) -> str:
    (words,) = draw.choices([line for _, line in COMMANDS], [often for often, _ in COMMANDS])
    for name, choices in (("LAW", LAWS), ("MAP", MAPS), ("OPTION", OPTIONS)):
        words = words.replace(name, draw.choice(choices))
    return words


def table(draw: random.Random) -> Malformed:
    """One malformed or odd table."""
    make = draw.choices([kind for _, kind in KINDS], [weight for weight, _ in KINDS])[0]
    content, ending = make(draw)
    kind = make.__name__.strip("_")
    if draw.random() < 0.2 and content:
        content, kind = spoilt(draw, content), f"{kind}_spoilt"
    if draw.random() < 0.06 and not ending.endswith(".gz"):
        content, ending, kind = gzip.compress(content, 1), f"{ending}.gz", f"{kind}_packed"
        if draw.random() < 0.5:
            content = spoilt(draw, content)
    return Malformed(kind, f"table{ending}", content, _command(draw))
