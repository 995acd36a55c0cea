"""Inputs of the planner as slips of the hand, bad disks and adversaries make them."""

import copy
import json
import random
from collections.abc import Iterator

import numpy as np

COLUMNS = {"N": "params", "D": "tokens", "L": "loss"}
HUGE = (0.0, -1.0, 1.0, 1e300, -1e300, 1e-300, 5e-324, 1e308, np.inf, -np.inf, np.nan,
        2.0**53 + 1, 1e18)  # fmt: skip
WORDS = ("", "7B", "nan", "inf", "1e999", "x", "--", "\x1b[2J", "é", "1,5", "0x10", "[/x]",
         "9" * 40, "-0", "1e-400", "None", "{}", "=1+1", "1_000", "\u202e")  # fmt: skip
BYTES = (b"", b"\0", b"\xff", b"NaN", b"Infinity", b"-", b"null", b"1e999", b"[", b"}", b'"',
         b"0", b"9" * 30, b"true", b",", b'"\xed\xa0\x80"')  # fmt: skip
ODD = (None, True, -1, 0, 1, 2, 1e300, -1e300, 1e-300, 5e-324, 2**63, -0.5, 0.5, "", "x",
       "chinchilla", "farseer", [], {}, [1.0], [None], {"value": 1.0}, "power", "N", "nan",
       1e24, "kaplan")  # fmt: skip
NONSENSE = ("nan", "inf", "-inf", "-1", "0", "1e308", "1e-308", "5e-324", "1e999", "x", "", "1",
            "1e21", "1e24", "2.5", "20", "1e9", "1e12")  # fmt: skip


def runs(choose: random.Random, rows: int | None = None) -> dict[str, np.ndarray]:
    """Runs of a law of Chinchilla's form, on a design that may identify nothing."""
    rng = np.random.default_rng(choose.randrange(2**32))
    rows = rows or choose.choice((1, 3, 5, 6, 8, 12, 30, 30, 30, 30, 60))
    design = choose.choice(("free",) * 4 + ("budgets",) * 4 + ("ray", "one N", "one D", "grid"))
    n, d = 10 ** rng.uniform(7, 10, rows), 10 ** rng.uniform(9, 11.5, rows)
    if design == "budgets":
        c = np.resize(np.geomspace(1e18, 1e21, choose.choice((1, 2, 4))), rows)
        n = np.sqrt(c / 120) * 10 ** rng.uniform(-0.6, 0.6, rows)
        d = c / (6 * n)
    elif design == "ray":
        d = choose.choice((2, 20, 200)) * n
    elif design == "one N":
        n = np.full(rows, 1e9)
    elif design == "one D":
        d = np.full(rows, 1e10)
    elif design == "grid":
        n, d = np.resize(np.geomspace(1e7, 1e9, 4), rows), np.repeat(1e10 * 2.0 ** np.arange(
            rows // 4 + 1), 4)[:rows]  # fmt: skip
    sign = choose.choice((1, 1, 1, 1, 1, 1, -1))
    floor = choose.choice((1.8, 1.8, 0.0, 300.0))
    loss = floor + 480 * n ** (-0.35 * sign) + 2000 * d ** (-0.37 * sign)
    noise = choose.choice((0.0, 0.005, 0.005, 0.1, 2.0))
    return {"params": n, "tokens": d, "loss": loss * np.exp(noise * rng.standard_normal(rows))}


def table(choose: random.Random) -> dict[str, list]:
    """Runs of which some numbers are impossible, alike, out of order, or no numbers."""
    columns = {name: values.tolist() for name, values in runs(choose).items()}
    for _ in range(choose.choice((0, 0, 0, 1, 1, 3))):
        name, kind = choose.choice(list(columns)), choose.random()
        values = columns[name]
        if kind < 0.45 and values:
            values[choose.randrange(len(values))] = choose.choice(HUGE)
        elif kind < 0.6:
            columns[name] = [choose.choice(HUGE)] * len(values)
        elif kind < 0.7:
            columns[name] = [int(abs(v)) if isinstance(v, float) and abs(v) < 1e300 else v
                             for v in values]  # fmt: skip
        elif kind < 0.8:
            columns[name] = [v * 1e-9 if isinstance(v, float) else v for v in values]
        elif kind < 0.9:
            columns = {n: v + v for n, v in columns.items()}
        elif values:
            values[choose.randrange(len(values))] = choose.choice(WORDS)
    if choose.random() < 0.1:
        columns["run"] = [choose.choice("abc") for _ in columns["loss"]]
    if choose.random() < 0.05:
        del columns[choose.choice(list(columns))]
    if choose.random() < 0.02:
        columns = {name: [] for name in columns}
    return columns


def csv(columns: dict[str, list]) -> bytes:
    """A file of them."""
    rows = zip(*columns.values(), strict=False)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def options(choose: random.Random, most: int = 4) -> list[str]:
    """Options of `allometry plan` that may contradict each other or be nonsense."""
    words = []
    for _ in range(choose.choice((0, 0, 0, 0, 1, 1, most))):
        name = choose.choice(NUMERIC + CHOSEN)
        if name in NUMERIC:
            words += [name, choose.choice(NONSENSE)]
        else:
            words += [name, *choose.choice(CHOICES[name])]
    return words


NUMERIC = (
    "--compute", "--target-loss", "--size", "--tokens-per-parameter", "--unique-data",
    "--inference-tokens", "--vocabulary", "--sequence", "--aspect-ratio", "--gpus", "--peak",
    "--mfu", "--price", "--level", "--noise", "--delta", "--seed",
)  # fmt: skip
CHOICES: dict[str, tuple[tuple[str, ...], ...]] = {
    "--repeat": (("law",), ("never",), ("x",)),
    "--account": (("lifetime",), ("equal-quality",), ("x",)),
    "--flops": (
        ("6nd_body",),
        ("measured",),
        ("x",),
        ("with_attention", "--vocabulary", "32000", "--sequence", "2048", "--aspect-ratio", "100"),
    ),
    "--run": (("run",), ("params",), ("x",)),
    "--fit-where": (("params<1e9",), ("params<0",), ("x<1",), ("tokens",), ("params>=0",)),
    "--filter": (("params<1e9",), ("loss<0",)),
    "--try-flops": (("6nd_body",), ("measured",), ("x",)),
    "--other-n": (("params",), ("tokens",), ("x",)),
    "--drop-largest": (("N:1",), ("N:99",), ("x:1",)),
    "--law": (
        ("kaplan",),
        ("chinchilla_tied",),
        ("mine.py",),
        ("against.csv",),
        ("power",),
        ("precision",),
        (",",),
        ("x",),
        ("data_constrained",),
        ("chinchilla,kaplan",),
        ("chinchilla,chinchilla",),
        ("sparsity",),
        ("overtraining",),
    ),
    "--map": (("C=flops",), ("D=loss",), ("C=tokens",), ("U=tokens",)),
    "--interval": (("pairs",), ("none",), ("profile",), ("jackknife",)),
    "--objective": (("squared",), ("absolute_log",)),
    "--account ": (
        ("lifetime", "--inference-tokens", "1e12"),
        ("equal-quality", "--inference-tokens", "1e13"),
    ),
    "--peak ": (("1e15", "--peak-kind", "dense", "--mfu", "0.4", "--gpus", "8", "--price", "2"),),
    "--advise": ((),),
    "--against": (("against.csv",), ("nothing.csv",)),
    "--design": ((),),
}
CHOSEN = 3 * tuple(CHOICES)


def budget(choose: random.Random) -> list[str]:
    """A budget that is one."""
    compute = ["--compute", choose.choice(("1e21", "1e24", "1e18", "1e30", "7", "1e300", "1e-300"))]
    return choose.choice((
        compute, compute, compute, compute,
        ["--target-loss", choose.choice(("2.2", "1.9", "3", "1e9", "1e-9"))],
        ["--size", choose.choice(("1e9", "1e11", "1", "1e-9", "1e200"))],
        [*compute, "--size", choose.choice(("1e9", "1e11", "1e200"))],
        [*compute, "--tokens-per-parameter", choose.choice(("20", "1e-9", "1e12"))],
        [*compute, "--unique-data", choose.choice(("1e11", "1", "1e300"))],
        [*compute, "--unique-data", "1e11", "--repeat", "never"],
    ))  # fmt: skip


def words(texts: list[str]) -> list[str]:
    """Without the spaces that make keys of one option differ."""
    return [text.strip() if text.startswith("--") else text for text in texts]


PARAMETERS = {
    "chinchilla": {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
    "chinchilla_tied": {"E": 1.7, "A": 400.0, "B": 800.0, "alpha": 0.31},
    "kaplan": {"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.103},
    "skaling": {"E": 0.3, "A": 4e3, "B": 9e3, "alpha": 0.4, "beta": 0.45, "k": 0.5},
}
ABSURD = (0.0, -0.3, 1e-9, 1e-300, 1e300, 20.0, 700.0, np.nan, np.inf, 0.001, 5.0, -1e9, 1.0)


def parameters(choose: random.Random) -> tuple[str, dict[str, float]]:
    """A law, and values of its parameters of which some may be absurd or missing."""
    law = choose.choice(list(PARAMETERS))
    values = {name: v * choose.uniform(0.7, 1.4) for name, v in PARAMETERS[law].items()}
    for _ in range(choose.choice((0, 0, 1, 1, 2))):
        values[choose.choice(list(values))] = choose.choice(ABSURD)
    if choose.random() < 0.05:
        values.pop(choose.choice(list(values)))
    if choose.random() < 0.05:
        values["gamma"] = 1.0
    return law, values


def places(value: object, here: tuple = ()) -> Iterator[tuple]:
    """The paths of every value in a document; of long lists the first and the last."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()  # fmt: skip
    for key, item in items:
        if isinstance(value, list) and 2 < key < len(value) - 1:
            continue
        yield (*here, key)
        yield from places(item, (*here, key))


def mutated(choose: random.Random, document: dict, count: int | None = None) -> dict:
    """A document of which some values are others, gone, or moved."""
    made = copy.deepcopy(document)
    for _ in range(count or choose.choice((1, 1, 1, 2, 3))):
        paths = list(places(made))
        numbers = [path for path in paths if path[0] in ("parameters", "draws", "interval", "data")]
        path = choose.choice(numbers or paths if choose.random() < 0.6 else paths)
        parent = made
        for key in path[:-1]:
            parent = parent[key]
        kind = choose.random()
        if kind < 0.15:
            del parent[path[-1]]
        elif kind < 0.35 and isinstance(parent[path[-1]], list | dict):
            parent[path[-1]] = type(parent[path[-1]])()
        elif kind < 0.6 and isinstance(parent[path[-1]], float | int):
            parent[path[-1]] = choose.choice((0.0, -1.0, 1e300, 1e-300, None, -parent[path[-1]],
                                              1e6, 2))  # fmt: skip
        elif kind < 0.75 and isinstance(parent[path[-1]], list):
            value = choose.choice((None, 0.0, 1e300, -1.0, 1e-300))
            parent[path[-1]] = [value] * len(parent[path[-1]])
        else:
            parent[path[-1]] = copy.deepcopy(choose.choice(ODD))
        if not list(places(made)):
            break
    return made


def damaged(choose: random.Random, text: bytes) -> bytes:
    """A text with some bytes taken out or put in."""
    made = bytearray(text)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(len(made) + 1)
        made[at : at + choose.choice((0, 1, 1, 3, 50))] = choose.choice(BYTES)
    return bytes(made)


def as_json(document: object) -> bytes:
    return json.dumps(document, allow_nan=True).encode("utf-8", "surrogatepass")
