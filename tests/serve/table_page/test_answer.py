"""The answer to a dropped table: the numbers of the command line, and commands that give them."""

import contextlib
import gzip
import io
import json
import os
import random
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

from allometry import cli
from allometry.errors import AllometryError, DataError, UsageError
from allometry.serve.table_page import LARGEST, answer, answering, sections
from allometry.serve.table_page.again import shell_word
from allometry.serve.table_page.choices import choices_of
from allometry.tables.read import table_of_bytes
from allometry.tables.table import Table
from tests.plan import hostile
from tests.plan.tables import isoflop_table
from tests.report.test_page import HOSTILE, Document

FEW = {"resamples": "60"}
RUNS = isoflop_table()
CSV = RUNS.to_csv().encode()


@pytest.fixture
def undrawn(monkeypatch):
    """Answers whose numbers are looked at, without a chart: drawing it takes half of the time."""
    empty = dict.fromkeys(("svg", "title", "caption", "frame", "x", "y", "points"), "")
    monkeypatch.setattr(answering, "chart", lambda *arguments: empty)
    monkeypatch.setattr(sections, "draw_picture", lambda *arguments: None)


def as_jsonl(table):
    return "".join(json.dumps(row) + "\n" for row in table).encode()


def with_run_and_c(names=("params", "tokens", "loss")):
    """The runs with a name for each, a measured C, and N without embeddings."""
    n, d, loss = (RUNS[name] for name in ("params", "tokens", "loss"))
    columns = dict(zip(names, (n, d, loss), strict=True))
    columns["run name"] = [f"it's {k % 9}" for k in range(len(RUNS))]
    return Table({**columns, "flops": 6.5 * n * d, "params_no_embeddings": 0.8 * n})


def run_command(command, folder):
    """What the command line prints with --json, run in the folder."""
    words = shlex.split(command)
    assert words[0] == "allometry"
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        cli.commands.main([*words[1:], "--json"], standalone_mode=False)
    return json.loads(out.getvalue())


def run_python(code, folder):
    """What the Python prints, run in the folder."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        exec(code, {})
    return json.loads(out.getvalue())


def compared(document):
    """The document without what a clock or a seal puts into it, which has a schema of its own."""
    return {k: v for k, v in document.items() if k not in ("seconds", "sha256", "schema")}


SEMICOLONS = RUNS.to_csv().replace(",", ";").replace(".", ",").encode()
CASES = {
    "semicolons and decimal commas": ("runs.csv", SEMICOLONS, {}),
    "a name that looks like an option": ("-o runs.jsonl", as_jsonl(RUNS), {"law": "kaplan"}),
    "conditions, objective, two laws, a name that looks like a home folder": (
        "~my runs.csv", CSV,
        {"where": "tokens<=5e10\nparams>=3e8", "objective": "huber_log", "delta": "0.01",
         "other_law": "kaplan", "compute": "3.5e22"},
    ),
    "measured C, rows that share a run, another count": (
        "runs.csv", with_run_and_c().to_csv().encode(),
        {"map_C": "flops", "flops": "measured", "run": "run name",
         "other_n": "params_no_embeddings"},
    ),
    "C in place of D, with quotes in the names": (
        "runs.csv",
        with_run_and_c(("it's \"N\" $(id)", "unused", "val loss;")).without("unused").to_csv()
        .encode(),
        {"map_N": "it's \"N\" $(id)", "map_L": "val loss;"},
    ),
    "a shape of the model, no intervals": (
        "runs.csv", CSV,
        {"flops": "with_attention", "vocabulary": "32000", "sequence": "2048",
         "aspect_ratio": "64.5", "resamples": "0"},
    ),
    "a law of one size": ("runs.csv", CSV, {"law": "power_floor", "map_x": "params"}),
}  # fmt: skip


@pytest.mark.parametrize("case", [
    pytest.param(case, marks=pytest.mark.slow) if "shape" in case else case for case in CASES
])  # fmt: skip
@pytest.mark.usefixtures("undrawn")
def test_command_line_and_python_give_the_documents_of_the_answer(tmp_path, case):
    name, body, choices = CASES[case]
    (tmp_path / name).write_bytes(body)
    made = json.loads(json.dumps(answer(name, body, {**FEW, **choices}), allow_nan=False))
    assert not made["problem"]
    kinds = ["fit"] if choices.get("law") == "power_floor" else ["fit", "plan"]
    assert list(made["again"]) == kinds
    for kind in kinds:
        again, document = made["again"][kind], compared(made[kind])
        printed = run_command(again["command"], tmp_path)
        assert printed["schema"] == made[kind]["schema"] and compared(printed) == document
        assert compared(run_python(again["python"], tmp_path)) == document


@pytest.mark.usefixtures("undrawn")
def test_the_slider_has_the_plans_of_its_computes():
    first = answer("runs.csv", CSV, FEW)
    compute = 6 * RUNS["params"] * RUNS["tokens"]
    steps = [step["compute"] for step in first["slider"]]
    assert steps == sorted(steps) and 30 < len(steps) < 60
    assert steps[0] == pytest.approx(compute.min(), rel=0.01)
    assert steps[-1] == pytest.approx(100 * compute.max(), rel=0.01)
    for step in first["slider"]:
        assert step["beyond"] == (step["compute"] > compute.max())
    for step in (first["slider"][3], first["slider"][-1]):
        other = answer("runs.csv", CSV, {**FEW, "compute": repr(step["compute"])})
        law = other["plan"]["laws"]["chinchilla"]
        for number in ("n_opt", "d_opt", "tokens_per_param", "loss", "loss_new_run"):
            assert step[number] == law[number]
    (planned,) = (step for step in first["slider"] if step["planned"])
    assert planned["n_opt"] == first["plan"]["laws"]["chinchilla"]["n_opt"]


def kept(made):
    """Rows that the fit of an answer rests on, from 1."""
    dropped = {row["row"] for row in made["fit"]["dropped"]}
    return set(range(1, made["rows"] + 1)) - dropped


def where(made):
    return next(field["value"] for field in made["fields"] if field["key"] == "where")


@pytest.mark.parametrize("what", ["keep", "leave"])
@pytest.mark.usefixtures("undrawn")
def test_a_rectangle_becomes_conditions_that_keep_just_these_runs(what):
    compute, loss = 6 * RUNS["params"] * RUNS["tokens"], RUNS["loss"]
    inside = (compute < 2e19) & (loss > 2.8)
    rows = set(np.flatnonzero(inside if what == "keep" else ~inside) + 1)
    assert 3 < len(rows) < 33
    made = answer("runs.csv", CSV, {"resamples": "0", "brush": f"{what} 1e10 2e19 2.8 9"})
    assert kept(made) == rows and "!=" not in where(made) + made["again"]["fit"]["command"]
    same = answer("runs.csv", CSV, {"resamples": "0", "where": where(made)})
    assert compared(same["fit"]) == compared(made["fit"])


@pytest.mark.usefixtures("undrawn")
def test_runs_amid_others_and_single_rows_are_left_out_by_a_value_of_their_own():
    compute, loss = 6 * RUNS["params"] * RUNS["tokens"], RUNS["loss"]
    budget = float(compute[14])
    middle = float(np.sort(loss[np.isclose(compute, budget)])[3])
    ends = f"{0.99 * budget} {1.01 * budget} {middle - 1e-9} {middle + 1e-9}"
    made = answer("runs.csv", CSV, {"resamples": "0", "brush": f"leave {ends}"})
    row = int(np.flatnonzero(loss == middle)[0]) + 1
    assert kept(made) == set(range(1, 36)) - {row} and where(made) == f"loss!={middle!r}"
    more = answer("runs.csv", CSV, {"resamples": "0", "where": where(made), "leave_row": "2"})
    assert kept(more) == set(range(1, 36)) - {row, 2}
    assert where(more).startswith(where(made) + "\n")


@pytest.mark.usefixtures("undrawn")
def test_rows_that_are_alike_are_not_told_apart():
    twice = (RUNS.to_csv() + RUNS.to_csv().split("\n", 2)[1] + "\n").encode()
    made = answer("runs.csv", twice, {"resamples": "0", "leave_row": "1"})
    assert "no unique value" in made["problem"] and made["fit"] is None


@pytest.mark.parametrize(
    ("header", "law", "mapped"),
    [
        ("params,tokens,loss", "chinchilla", {"N": "params", "D": "tokens", "L": "loss"}),
        ("n_params,n_params_no_embeddings,n_data,compute,test_loss,train_loss,seed", "chinchilla",
         {"N": "n_params", "D": "n_data", "L": "test_loss"}),
        ("run_id,Parameters,train_flops,val/loss", "chinchilla",
         {"N": "Parameters", "C": "train_flops", "L": "val/loss"}),
        ("N,D,L", "chinchilla", {"N": "N", "D": "D", "L": "L"}),
        ("params_no_embeddings,tokens,loss", "chinchilla",
         {"N": "params_no_embeddings", "D": "tokens", "L": "loss"}),
        ("n_params,test_loss", "power_floor", {"x": "n_params", "y": "test_loss"}),
        ("train_size,accuracy", "power_ceiling", {"x": "train_size", "y": "accuracy"}),
        ("width,gap", "power_floor", {"x": "width", "y": "gap"}),
        ("error,params", "power_floor", {"x": "params", "y": "error"}),
        ("log10_params,tokens,loss", "power_floor", {"x": "tokens", "y": "loss"}),
        ("a,b,c", "chinchilla", {}),
    ],
)  # fmt: skip
def test_columns_are_recognised_by_their_names(header, law, mapped):
    rng = np.random.default_rng(0)
    rows = [",".join(f"{x:.6g}" for x in rng.uniform(1, 9, header.count(",") + 1))
            for _ in range(3)]  # fmt: skip
    table = table_of_bytes("runs.csv", "\n".join([header, *rows]).encode(), ())
    chosen = choices_of({}, table)
    assert chosen.law.name == law and chosen.columns == mapped


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_fitted_is_said_beside_the_menus():
    made = answer("runs.csv", b"a,b,c\n1,2,3\n2,3,4\n", {})
    assert "which column is N, D, L" in made["problem"] and made["fit"] is made["plan"] is None
    keys = [field["key"] for field in made["fields"]]
    assert keys[:5] == ["law", "map_N", "map_D", "map_C", "map_L"]
    assert {o["value"] for o in made["fields"][1]["options"]} == {"", "a", "b", "c"}


def test_a_fit_is_shown_where_there_is_no_plan():
    made = answer("runs.csv", CSV, {"resamples": "0", "flops": "with_attention"})
    assert made["fit"] and made["plan"] is None and not made["problem"]
    assert "There is no plan: the FLOP convention with_attention" in Document(made["html"]).text
    assert list(made["again"]) == ["fit"]


@pytest.mark.parametrize(
    ("name", "body", "choices", "said"),
    [
        ("runs.csv", b"x" * (LARGEST + 1), {}, "at most 5 MB"),
        ("runs.csv", b"a,b\n" + b"1,2\n" * 5_001, {}, "at most 5,000"),
        ("runs.txt", CSV, {}, "a .csv, .tsv, .jsonl, .json or .parquet file was expected"),
        ("runs.csv", b"a,b\n1\n", {}, "runs.csv, line 2: 2 cells were expected"),
        ("runs.parquet", CSV, {}, "not a whole Parquet file"),
        ("runs.csv.gz", CSV, {}, "not a whole gzip file"),
        ("..", CSV, {}, "the name of the table"),
        ("a\0.csv", CSV, {}, "the name of the table"),
        ("runs.csv", CSV, {"law": "mine.py"}, "no law 'mine.py'"),
        ("runs.csv", CSV, {"lwa": "power"}, "did you mean 'law'"),
        ("runs.csv", CSV, {"map_N": "parms"}, "did you mean 'params'"),
        ("runs.csv", CSV, {"objective": "l2"}, "objective is one of"),
        ("runs.csv", CSV, {"compute": "-1"}, "positive number"),
        ("runs.csv", CSV, {"resamples": "1000000"}, "at most 1000"),
        ("runs.csv", b"a,b\n" + b"1,2\n" * 2_000, {"resamples": "501"}, "at most 500 resamples"),
        ("runs.csv", CSV, {"brush": "keep 1 2 3"}, "four numbers"),
        ("runs.csv", CSV, {"figure": "../../x"}, "figure is one of"),
        ("runs.csv", CSV, {"where": "params>1\n" * 61}, "61 conditions"),
    ],
)
def test_bad_input_is_refused_in_words(name, body, choices, said):
    with pytest.raises((UsageError, DataError)) as refused:
        answer(name, body, choices)
    assert said in str(refused.value)


def test_a_name_is_never_looked_up(tmp_path, monkeypatch):
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"params,tokens,loss\n9,9,9\n")
    looked = []
    for module, function in ((os, "stat"), (os, "open"), (io, "open"), (Path, "stat")):
        original = getattr(module, function)

        def watched(path, *args, original=original, **options):
            looked.append(str(path))
            return original(path, *args, **options)

        monkeypatch.setattr(module, function, watched)
    made = answer(str(secret), CSV, {"resamples": "0"})
    monkeypatch.undo()
    assert made["name"] == "secret.csv" and made["rows"] == 35
    assert str(tmp_path) not in json.dumps(made)
    assert not [path for path in looked if "secret" in path]


def test_bytes_are_read_as_the_file_is(tmp_path):
    (tmp_path / "runs.csv.gz").write_bytes(gzip.compress(CSV))
    body = (tmp_path / "runs.csv.gz").read_bytes()
    assert table_of_bytes("runs.csv.gz", body).columns == RUNS.columns
    frame = io.BytesIO()
    RUNS.to_pandas().to_parquet(frame)
    read = table_of_bytes("x/runs.parquet", frame.getvalue())
    assert all((read[name] == RUNS[name]).all() for name in RUNS.columns)


@pytest.mark.parametrize("text", ["it's", "a b", "$(id)", "`id`", "\x1b[2J", "a\nb", "\u202eN",
                                  "\\n'\x07", "", "~", "=cmd|' /C calc'!A0"])  # fmt: skip
def test_a_shell_reads_the_word_that_was_meant(text):
    script = f"printf %s {shell_word(text)}"
    assert script.isprintable()
    bash = subprocess.run(
        ["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert bash.stdout.decode() == text


def hostile_table():
    """The runs with hostile names of columns and cells."""
    n, d, loss = (RUNS[name] for name in ("params", "tokens", "loss"))
    words = [HOSTILE, '=HYPERLINK("http://x")', "\x1b[31mred\x1b[0m", "\u202eabc", "' onload='"]
    cells = [words[k % len(words)] for k in range(len(RUNS))]
    return Table({f"N{HOSTILE}": n, f"D\u202e{HOSTILE}": d, f"L\x1b[2J{HOSTILE}": loss,
                  f"text{HOSTILE}": cells})  # fmt: skip


def test_a_hostile_table_is_text_in_the_answer(tmp_path):
    table = hostile_table()
    names = dict(zip("NDL", table.columns, strict=False))
    name = f"{HOSTILE.replace('/', '')}.csv"
    choices = {**FEW, **{f"map_{s}": c for s, c in names.items()}, "run": table.columns[3]}
    made = answer(name, table.to_csv().encode(), choices)
    assert not made["problem"]
    same = Table(dict(zip(("N", "D", "L", "text"), (table[c] for c in table.columns), strict=True)))
    tame = answer("runs.csv", same.to_csv().encode(), {**FEW, "run": "text"})
    document, plain = Document(made["html"]), Document(tame["html"])
    assert not document.open
    assert {tag for tag, _ in document.elements} <= {tag for tag, _ in plain.elements}
    for _, attributes in document.elements:
        assert not any(key.startswith("on") for key in attributes)
    assert not any(c in made["html"] for c in "\x1b\u202e")
    for again in made["again"].values():
        assert not set("\x1b\u202e") & set(again["command"] + again["python"])


@pytest.mark.usefixtures("undrawn")
def test_the_python_of_a_hostile_table_gives_its_numbers(tmp_path):
    table = hostile_table()
    names = dict(zip("NDL", table.columns, strict=False))
    (tmp_path / "runs.csv").write_bytes(table.to_csv().encode())
    body = (tmp_path / "runs.csv").read_bytes()
    made = answer("runs.csv", body, {"resamples": "0", **{f"map_{s}": c for s, c in names.items()}})
    for kind in ("fit", "plan"):
        assert compared(run_python(made["again"][kind]["python"], tmp_path)) == compared(made[kind])


def test_a_size_that_no_axis_holds_is_a_row_of_the_table_alone():
    rows = RUNS.to_csv() + "1e308,1e9,2\n1e9,1e9,1e-300\n"
    choices = {"resamples": "0", "law": "power_floor", "where": "params<1e15\nloss>0.1"}
    made = answer("runs.csv", rows.encode(), choices)
    assert made["chart"]["points"] == 35 and made["fit"]["rows"] == 35


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_table_is_answered_or_refused(seed):
    choose = random.Random(seed)
    body = hostile.csv(hostile.table(choose))
    choices = {"resamples": choose.choice(["0", "40"]), "brush": choose.choice(
        ["", "keep 1e18 1e21 1 3.5", "leave 1e18 1e21 1 3.5"])}  # fmt: skip
    try:
        json.dumps(answer("runs.csv", body, choices), allow_nan=False)
    except AllometryError as error:
        assert str(error)
