"""Feed malformed tables to the reader and the fitter: only words for a person may come out.

python benchmarks/fit_fuzz.py [INPUTS] [SEED]
"""

import random
import sys
import tempfile
import time
import warnings
from pathlib import Path

from allometry.errors import AllometryError
from allometry.fitting.fit import fit
from allometry.tables.read import read_table

CELLS = [
    "",
    "1",
    "-1",
    "0",
    "2.5",
    "1e400",
    "-1e308",
    "1e308",
    "5e-324",
    "nan",
    "inf",
    "1,5",
    "1.5M",
    "7b",
    "0x10",
    '"',
    "1_000",
    "\0",
    "\r",
    "é",
    "NA",
    "9" * 40,
    "true",
    "{",
    "[]",
    "1e",
    "--1",
    " 3 ",
    "1e5",
    "1e9",
    "3.3e2",
    "#",
    "=1+1",
    "\ud800",
    "9223372036854775808",
]
LAWS = ("power", "power_floor", "log", "exponential", "m3", "sigmoid")


def table(draw: random.Random) -> tuple[bytes, str]:
    """One malformed or odd table, and its ending."""
    kind = draw.random()
    if kind < 0.1:
        return draw.randbytes(draw.randrange(300)), draw.choice(["csv", "jsonl", "parquet", "tsv"])
    rows = [
        [draw.choice(CELLS) for _ in range(draw.choice([2, 2, 2, 1, 3]))]
        for _ in range(draw.randrange(9))
    ]
    if kind < 0.6:  # mostly good numbers, a few spoilt
        rows = [
            [f"{draw.uniform(0.1, 1) * 10 ** draw.randrange(-3, 12):.4g}" for _ in range(2)]
            for _ in range(draw.randrange(2, 9))
        ]
        for _ in range(draw.randrange(3)):
            draw.choice(rows)[draw.randrange(2)] = draw.choice(CELLS)
    if draw.random() < 0.3:
        pairs = [[*row, "1", "1"][:2] for row in rows]
        text = "\n".join(f'{{"x": {x}, "y": {y}}}' for x, y in pairs)
        return text.encode("utf-8", "surrogatepass"), "jsonl"
    text = draw.choice(["x,y\n", "x,y\n", "x,y\n", "x,x\n", "y\n", "", ",\n"])
    text += "\n".join(",".join(row) for row in rows)
    return text.encode("utf-8", "surrogatepass"), "csv"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    warnings.simplefilter("error")
    fitted, refused, slowest = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            data, ending = table(draw)
            path = Path(folder) / f"t.{ending}"
            path.write_bytes(data)
            law = draw.choice(LAWS)
            began = time.perf_counter()
            try:
                fit(read_table(path), law, {"x": "x", "y": "y"}, resamples=0, starts=2).to_json()
                fitted += 1
            except AllometryError as refusal:
                refused += 1
                if not str(refusal):
                    raise AssertionError(f"a refusal without words: {data!r}") from refusal
            except Exception:
                print(f"escaped, law {law}, .{ending}: {data!r}", file=sys.stderr)
                raise
            slowest = max(slowest, time.perf_counter() - began)
    print(f"{count} tables: {fitted} fitted, {refused} refused in words, slowest {slowest:.2f} s")


if __name__ == "__main__":
    main()
