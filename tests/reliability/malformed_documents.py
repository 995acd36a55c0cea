"""Fit documents and stored documents as they ought not to be, with and without a right seal."""

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from allometry.fitting.sealed import SEAL, _digest
from allometry.store.record import digest
from tests.reliability.malformed_bytes import Malformed, spoilt
from tests.reliability.malformed_tables import JSON_TEXTS, value

__all__ = ["changed", "document", "spoil_store"]

WORDS = (
    "power", "chinchilla", "nothing", "N", "D", "L", "E", "alpha", "converged", "fixed", "pairs",
    "squared", "value", "low", "kind", "version", "LanguageModel", "Text", "Bytes", "Net",
    "RunSpec", "seed", "../x", "allometry/fit/1", "allometry/fit/2", "allometry/plan/1",
    "allometry/fit/9", "0" * 64, "done", "predicted",
)  # fmt: skip
COMMANDS = (
    "plan {} --compute 1e24", "plan {} --compute 1e24", "plan {} --compute 1e24 --json",
    "plan {} --target-loss 2.0", "plan {} --size 1e9", "plan {} --compute 1e24 -o out.html",
    "plan {} --compute 1e24 -o out.json --laws skaling",
    "plan {} --compute 1e24 --unique-data 1e11", "plan fit.json --compute 1e24 --against {}",
    "plan {} --design --compute 1e24", "next {} --budget 1e20 --target waste@1e24 --at-most 2",
    "fit {} --law power --map x=N --map y=L --starts 1 --resamples 0",
    "plan {} --compute 1e24 --inference-tokens 1e12 --account lifetime",
    "plan {} --compute 1e24 --flops with_attention",
)  # fmt: skip


def _places(inside: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document; of a long list the first few alone."""
    found = [path] if path else []
    if isinstance(inside, dict):
        items = list(inside.items())
    else:
        items = list(enumerate(inside[:3])) if isinstance(inside, list) else []
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


def changed(draw: random.Random, whole: Any) -> Any:
    """A document with a few of its values changed, moved, taken out or doubled."""
    made = json.loads(json.dumps(whole))
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        places = _places(made)
        if not places:
            break
        *path, last = draw.choice(places)
        parent = made
        for key in path:
            parent = parent[key]
        match draw.randrange(9):
            case 0:
                del parent[last]
            case 1:
                *other, end = draw.choice(places)
                there = made
                try:
                    for key in other:
                        there = there[key]
                    parent[last] = json.loads(json.dumps(there[end]))
                except (KeyError, IndexError, TypeError):
                    parent[last] = None
            case 2 if isinstance(parent, dict):
                parent[draw.choice(WORDS)] = value(draw)
            case 3 if isinstance(parent[last], list):
                parent[last] = parent[last] * draw.choice((0, 2, 3)) + [value(draw)]
            case 4 if isinstance(parent[last], float):
                parent[last] = draw.choice((-1, 0, 1e-300, 1e300, 1e-3, 1e3)) * parent[last]
            case 5 | 6:
                parent[last] = draw.choice(WORDS)
            case _:
                parent[last] = value(draw)
    return made


def _sealed(draw: random.Random, made: Any) -> Any:
    """The document under a right seal, as far as it can have one."""
    whole = {key: value for key, value in made.items() if key != SEAL}
    try:
        return {**whole, SEAL: _digest(whole)}
    except (ValueError, TypeError):
        return whole


def document(draw: random.Random, good: list[bytes]) -> Malformed:
    """One malformed document, of one of the good ones."""
    command, content = draw.choice(COMMANDS), draw.choice(good)
    chance = draw.random()
    if chance < 0.08:
        text = draw.choice(JSON_TEXTS).encode("utf-8", "surrogatepass")
        return Malformed("texts", "made.json", text, command)
    if chance < 0.25:
        return Malformed("spoilt", "made.json", spoilt(draw, content), command)
    made = changed(draw, json.loads(content))
    if draw.random() < 0.85 and isinstance(made, dict):
        made = _sealed(draw, made)
    return Malformed("changed", "made.json", json.dumps(made).encode(), command)


# ---- stores ----------------------------------------------------------------------------------

STORE_COMMANDS = (
    "status", "status --json", "verify", "table own", "table own --json", "table letters",
    "exclude own --reason why --where width==1", "include own", "forget own --yes --where width==2",
    "backup copy.db", "merge {} -o copy.db", "run ./own.py", "run ./own.py --explain", "sample RUN",
    "sample RUN", "sample RUN --json", "report ./own.py -o page.html",
    "exclude --run RUN --reason why",
)  # fmt: skip


DOCUMENTS = {"spec": "runs", "row": "runs", "provenance": "provenance", "declared": "declared"}
COLUMN = {"provenance": "document", "declared": "spec"}  # of the document; else of its name


def spoil_store(draw: random.Random, path: Path) -> str:
    """Change a document in a store and the hash over its row; a command that may meet it."""
    kind = draw.choice(("spec", "spec", "spec", *DOCUMENTS))
    table, column = DOCUMENTS[kind], COLUMN.get(kind, kind)
    with closing(sqlite3.connect(path)) as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [name for name, *_ in cursor.description]
        old = dict(zip(names, draw.choice(cursor.fetchall()), strict=True))
        new = {**old, column: _text(draw, old[column])}
        if "sha256" in new:
            new["sha256"] = digest(*[new[name] for name in names[: names.index("sha256")]])
        connection.execute(
            f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in names)} "
            f"WHERE {' AND '.join(f'{name} IS ?' for name in names)}",
            (*new.values(), *old.values()),
        )
        connection.commit()
    return draw.choice(STORE_COMMANDS).replace("RUN", str(old.get("run_id", "123456"))[:12])


def _text(draw: random.Random, text: str) -> str:
    """Another document in the place of a stored one."""
    chance = draw.random()
    if chance < 0.1:
        return draw.choice([t for t in JSON_TEXTS if t.isprintable()])
    if chance < 0.2:
        return spoilt(draw, text.encode()).decode("utf-8", "replace").replace("\0", "")
    return json.dumps(changed(draw, json.loads(text)), separators=(",", ":"))
