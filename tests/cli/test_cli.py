"""The command line as a person and a script meet it: output, exit codes, no traceback."""

import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest

from allometry import cli, studies
from allometry.store import Store
from tests import ROOT
from tests.cli.conftest import Said

# Trains in a second, needs no file; a learning rate of 1e30 diverges.
OWN = '''
import numpy as np
from allometry import Finding, RunSpec, Study, TrainSpec, measures
from allometry.datasets.splits import Data, Split
from allometry.figures import panels
from allometry.models import MLP
from allometry.spec.optimizers import SGD


class Noise(Data):
    n: int = 40

    @property
    def n_data(self):
        return self.n

    def load(self, draws):
        x = draws.uniform((2 * self.n, 3), -1, 1)
        y = (draws.randperm(2 * self.n) % 2).astype(np.int32)
        return Split(x[: self.n], y[: self.n], x[self.n :], y[self.n :])


def runs(size, seeds):
    train = TrainSpec(optimizer=SGD(learning_rate=0.1), epochs=2, batch_size=20)
    return [
        RunSpec(model=MLP(widths=(3, width, 2)), data=Noise(), train=train, seed=seed)
        for seed in seeds
        for width in (2, 4)
    ]


def analyse(table):
    loss = table["test_loss"].mean()
    numbers = {"measured": loss, "low": loss, "high": loss}
    return [Finding("Noise cannot be learnt", "as by chance", "none", **numbers, verdict="agrees",
                    answer="So it is.")]


def empty(table, analysis):
    """Nothing is drawn."""
    return panels(1, 1)[0]


STUDY = Study(
    name="own", title="Own", question="Can noise be learnt?", prediction="No.", source="none",
    runs=runs, sizes=("quick",), seeds={"quick": (1, 2)}, measures={"losses": measures.losses},
    analyse=analyse, figures=(empty,),
)
'''


def in_a_process(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "allometry", *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A study file and a store with its runs, trained once."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(OWN)
    first = in_a_process("run", folder / "own.py", "--store", folder / "own.db", "--json")
    assert first.code == 0, first.err
    return folder, first


@pytest.fixture
def store(own, tmp_path):
    """A copy of the trained store, to be damaged."""
    with Store(own[0] / "own.db") as trained:
        trained.backup(tmp_path / "copy.db")
    return tmp_path / "copy.db"


def commands(group=cli.commands, path=()):
    """(words, command) of every command, groups included."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = dict(commands())


# ---- help -----------------------------------------------------------------------------------


def test_the_commands_of_the_contract_are_there():
    assert {("run",), ("table",), ("report",), ("status",), ("verify",), ("list",)} <= set(EVERY)
    assert {("data", "list"), ("data", "get")} <= set(EVERY)


def test_help_lists_every_command(allometry):
    said = allometry("--help")
    assert said.code == 0 and not said.err
    for words in EVERY:
        if len(words) == 1:
            assert re.search(rf"^  {words[0]} +\w", said.out, re.M), words[0]
    assert allometry("-h").out == said.out


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_explains_itself_and_its_options(allometry, words):
    said = allometry(*words, "--help")
    assert said.code == 0
    assert (EVERY[words].help or "").rstrip().endswith("."), "one sentence of help expected"
    for option in EVERY[words].params:
        if isinstance(option, click.Option):
            assert all(o in said.out for o in option.opts)
            explained = option.help or not isinstance(option.type, click.types.StringParamType)
            assert explained, f"{words}: {option.name} has no help"


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_and_option_is_documented(words):
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `allometry ([^`]*)`\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    title = next(
        (t for t in sections if words == tuple(re.findall(r"^[a-z ]+", t)[0].split())), None
    )
    group = isinstance(EVERY[words], click.Group)
    assert title is not None or group, (
        f"docs/command-line.md: no section `allometry {' '.join(words)}`"
    )
    for option in EVERY[words].params:
        if isinstance(option, click.Option) and not group:
            longest = max(option.opts, key=len)
            assert f"`{longest}" in sections[title] or longest in title, f"{words}: {longest}"


def test_version():
    assert re.fullmatch(r"allometry, version \S+\n", in_a_process("--version").out)


# ---- what goes well -------------------------------------------------------------------------


def test_run_says_what_it_did_as_one_document(own):
    document = own[1].document
    assert document["schema"] == "allometry/outcome/1"
    assert (document["runs"], document["trained"], document["pending"]) == (4, 4, 0)
    assert document["interrupted"] is False
    (finding,) = document["findings"]
    assert (
        finding["verdict"] == "agrees" and finding["low"] <= finding["measured"] <= finding["high"]
    )
    assert "4 of 4 runs trained" in own[1].err


def test_timings_say_where_the_time_went(own, allometry):
    folder, first = own
    trained = first.document["timings"]
    assert {"import", "plan", "load", "compile", "train", "evaluate", "store"} <= trained.keys()
    said = allometry("run", folder / "own.py", "--store", folder / "own.db", "--timings")
    lines = [line.split() for line in said.err.splitlines() if line.startswith("   ")]
    seconds = {words[0]: float(words[1]) for words in lines if words[2:3] == ["s"]}
    assert {"import", "analyse", "print"} <= seconds.keys()
    elapsed = float(re.search(r"elapsed +([\d.]+) s", said.err)[1])
    assert 0 < sum(seconds.values()) <= elapsed + 0.1


def test_again_it_trains_nothing(own, allometry):
    folder, _ = own
    said = allometry("run", folder / "own.py", "--store", folder / "own.db", "--json")
    assert (said.document["trained"], said.document["stored_before"]) == (0, 4)


def test_talk_goes_to_stderr_and_findings_to_stdout(own, allometry):
    folder, _ = own
    said = allometry("run", folder / "own.py", "--store", folder / "own.db")
    assert said.code == 0
    assert "agrees" in said.out and "Noise cannot be learnt" in said.out
    assert "0 runs trained, 4 were stored" in said.err and "stored" not in said.out


def test_more_seeds_train_only_what_is_new(store, own, allometry):
    said = allometry("run", own[0] / "own.py", "--seeds", 3, "--store", store, "--json")
    assert (said.document["trained"], said.document["stored_before"]) == (2, 4)


def test_changed_runs_are_kept_apart(store, own, allometry):
    change = ("--set", "train.epochs=1")
    said = allometry("run", own[0] / "own.py", *change, "--store", store, "--json")
    assert said.document["trained"] == 4
    assert len(allometry("table", "own", "--store", store, "--json").document["rows"]) == 4
    rows = allometry("table", "own", *change, "--store", store, "--json").document["rows"]
    assert {row["epochs"] for row in rows} == {1}


def test_a_size_of_ones_own_is_run_shown_and_reported(own, allometry, tmp_path):
    file, store = tmp_path / "sized.py", tmp_path / "sized.db"
    text = OWN.replace('sizes=("quick",)', 'sizes=("quick", "large")')
    file.write_text(text.replace('{"quick": (1, 2)}', '{"quick": (1, 2), "large": (1, 2, 3)}'))
    for size in ("large", "quick"):
        said = allometry("run", file, "--size", size, "--store", store, "--json")
        assert said.code == 0 and said.document["size"] == size
    assert len(allometry("table", file, "--store", store, "--json").document["rows"]) == 6
    page = tmp_path / "page.html"
    said = allometry("report", file, "--store", store, "-o", page, "--json")
    assert said.document["size"] == "large"
    refused = allometry("run", file, "--size", "huge", "--store", store)
    assert refused.code == 2 and "no size 'huge'; it has quick, large" in refused.err


def test_a_number_spelt_otherwise_is_the_same_change(store, own, allometry):
    for text, trained in (("1", 4), ("1.0", 0)):
        change = ("--set", f"train.epochs={text}")
        said = allometry("run", own[0] / "own.py", *change, "--store", store, "--json")
        assert said.document["trained"] == trained
    assert allometry("run", own[0] / "own.py", "--set", "train.epochs=1.5").code == 2


def test_what_diverged_is_null_in_json(store, own, allometry):
    change = ("--set", "train.optimizer.learning_rate=1e30")
    said = allometry("run", own[0] / "own.py", *change, "--store", store, "--json")
    assert said.document["diverged"] == 4
    rows = allometry("table", "own", *change, "--store", store, "--json").document["rows"]
    assert {row["status"] for row in rows} == {"diverged"}
    assert rows[0]["test_loss"] is None


def test_the_table_is_csv_on_stdout_or_in_a_file(own, allometry, tmp_path):
    folder, _ = own
    on_stdout = allometry("table", "own", "--store", folder / "own.db")
    assert on_stdout.out.startswith("run_id,study,seed,") and not on_stdout.err
    assert on_stdout.out.count("\n") == 5
    path = tmp_path / "new" / "folder" / "runs.csv"
    in_file = allometry("table", "own", "--store", folder / "own.db", "-o", path)
    assert in_file.code == 0 and in_file.out == ""
    assert path.read_text() == on_stdout.out
    by_path = allometry("table", folder / "own.py", "--store", folder / "own.db")
    assert by_path.out == on_stdout.out


def test_report_writes_a_page_and_names_its_files(own, allometry, tmp_path):
    folder, _ = own
    page = tmp_path / "r" / "own.html"
    said = allometry(
        "report", folder / "own.py", "--store", folder / "own.db", "-o", page, "--json"
    )
    files = [Path(f) for f in said.document["files"]]
    assert files[0] == page and all(f.is_file() for f in files)
    assert {".html", ".png", ".csv", ".svg"} <= {f.suffix for f in files}


def test_reports_are_made_again_into_the_same_folder(own, allometry, tmp_path):
    store, folder = own[0] / "own.db", tmp_path / "pages"
    # `make run` twice: the folder is there the second time.
    for _ in range(2):
        said = allometry("report", own[0] / "own.py", "--store", store, "-o", folder)
        assert said.code == 0 and (folder / "own.html").is_file()
    # The store has no shipped study, and says so; but the folder is no reason to stop.
    said = allometry("report", "--store", store, "-o", folder)
    assert "no finished run of a shipped study" in said.err


def test_status_and_list_and_data(own, allometry):
    folder, _ = own
    (entry,) = allometry("status", "--store", folder / "own.db", "--json").document["studies"]
    assert (entry["study"], entry["declared"], entry["done"], entry["pending"]) == ("own", 4, 4, 0)
    listed = allometry("list", "--json").document
    assert [s["name"] for s in listed["studies"]] == studies.names()
    assert {"power", "chinchilla"} <= {law["name"] for law in listed["laws"]}
    assert "fashion-mnist" in {d["name"] for d in listed["data_sets"]}
    parts = {"data": "Teacher", "models": "MLP", "losses": "Huber", "metrics": "Accuracy",
             "optimisers": "SGD", "schedules": "Cosine", "measures": "sharpness"}  # fmt: skip
    for kind, name in parts.items():
        assert name in {part["name"] for part in listed[kind]}
        assert all(part["title"].endswith(".") for part in listed[kind]), kind
        # Parts that can be had, not what one's own are made of.
        assert not {"Data", "Model", "Loss", "Metric", "Optimizer"} & {
            p["name"] for p in listed[kind]
        }
    sets = allometry("data", "list", "--json").document["data_sets"]
    assert all({"name", "title", "licence", "origin", "folder"} == set(entry) for entry in sets)


def test_help_fits_on_one_screen(allometry, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for words in EVERY:
        lines = allometry(*words, "--help").out.splitlines()
        assert len(lines) <= 50 and max(map(len, lines)) <= 80, words


def test_a_study_is_named_by_its_file_or_its_folder_alike(own, allometry, tmp_path):
    store, folder = own[0] / "own.db", tmp_path / "mine"
    folder.mkdir()
    (folder / "study.py").write_text(OWN)
    table = allometry("table", "own", "--store", store).out
    for place in (own[0] / "own.py", folder, f"{folder}/", folder / "study.py"):
        assert allometry("table", place, "--store", store).out == table
        assert allometry("run", place, "--store", store, "--json").document["trained"] == 0
        assert "0 runs to train" in allometry("run", place, "--store", store, "--explain").out
        page = ("-o", tmp_path / "page.html", "--json")
        assert allometry("report", place, "--store", store, *page).document["study"] == "own"
    empty = allometry("table", tmp_path, "--store", store)
    assert empty.code == 2 and "a folder with a study.py" in empty.err


def test_runs_are_excluded_with_a_reason_that_is_shown_and_included_again(
    store, own, allometry, tmp_path
):
    place, at = own[0] / "own.py", ("--store", store)
    pick = ("--where", "hidden_sizes=(4,)", "--where", "seed=2")
    said = allometry("exclude", place, *pick, "--reason", "a <bad> disk", *at)
    assert said.code == 0 and said.out == "1 run excluded (own quick): a <bad> disk\n"
    (entry,) = allometry("status", *at, "--json").document["studies"]
    assert (entry["done"], entry["excluded"], entry["pending"]) == (3, 1, 0)
    assert entry["reasons"] == [{"reason": "a <bad> disk", "runs": 1}]
    assert "excluded, 1 run: a <bad> disk" in allometry("status", *at).out
    rows = allometry("table", place, *at, "--json").document["rows"]
    assert [row["excluded_because"] for row in rows].count("a <bad> disk") == 1
    assert allometry("run", place, *at, "--json").document["excluded"] == 1
    page = tmp_path / "page.html"
    assert allometry("report", place, *at, "-o", page).code == 0
    assert "<strong>1 excluded</strong>: a &lt;bad&gt; disk (1)" in page.read_text()
    (excluded,) = [row["run_id"] for row in rows if row["status"] == "excluded"]
    said = allometry("include", "--run", excluded[:12], *at, "--json")
    assert said.document["run_ids"] == [excluded]
    assert "excluded" not in {
        row["status"] for row in allometry("table", place, *at, "--json").document["rows"]
    }


def test_forgetting_shows_what_goes_and_asks_for_yes_off_a_terminal(store, own, allometry):
    at = ("--store", store)
    said = allometry("forget", "own", "--where", "seed=2", *at)
    assert said.code == 2 and "2 runs to forget" in said.err and "(4,)" in said.err
    assert "no terminal to ask on; give --yes" in said.err and not said.out
    (entry,) = allometry("status", *at, "--json").document["studies"]
    assert entry["done"] == 4
    said = allometry("forget", "own", "--where", "seed=2", "--yes", *at)
    assert said.code == 0 and said.out == "2 runs forgotten (own quick)\n"
    again = allometry("run", own[0] / "own.py", *at, "--json").document
    assert (again["trained"], again["stored_before"]) == (2, 2)
    gone = allometry("forget", own[0] / "own.py", "--yes", *at, "--json").document
    assert len(gone["run_ids"]) == 4
    assert allometry("status", *at, "--json").document["studies"] == []
    assert "no study has declared" in allometry("status", *at).out


@pytest.mark.parametrize(("answer", "left"), [("n\n", 4), ("\n", 4), ("y\n", 2)])
def test_forgetting_asks_on_a_terminal(store, answer, left):
    words = ["forget", "own", "--where", "seed=2", "--store", str(store)]
    code, said = on_a_terminal(words, answer)
    assert code == 0 and "allometry backup COPY.db" in said and "Forget 2 runs? [y/N]" in said
    with Store(store) as opened:
        assert len(opened.run_ids()) == left


def on_a_terminal(words, typed):
    """Exit code and all that a command shows on a terminal at which this is typed."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "allometry", *words], stdin=terminal, stdout=terminal,
        stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    os.write(screen, typed.encode())
    said = b""
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while part := os.read(screen, 1000):
            said += part
    os.close(screen)
    return process.wait(), said.decode()


def test_stores_are_merged_into_a_new_one(store, own, allometry, tmp_path):
    more, both = tmp_path / "more.db", tmp_path / "both.db"
    change = ("--set", "train.epochs=1")
    allometry("run", own[0] / "own.py", "--store", more, *change)
    said = allometry("merge", store, more, store, "-o", both)
    assert said.code == 0 and said.out == f"{both}\n"
    assert f"{more}: 4 runs taken" in said.err and "4 runs in several stores" in said.err
    assert len(allometry("status", "--store", both, "--json").document["studies"]) == 2
    refused = allometry("merge", store, more, "-o", both, "--json")
    assert refused.code == 2 and "exists" in refused.err and not refused.out


@pytest.mark.parametrize(
    "words", [("status",), ("verify",), ("list",), ("data", "list")], ids=" ".join
)
def test_without_json_people_read_it(own, allometry, words):
    place = ("--store", own[0] / "own.db") if words in (("status",), ("verify",)) else ()
    said = allometry(*words, *place)
    assert said.code == 0 and (said.out + said.err).strip()


def test_the_store_may_come_from_the_environment(own):
    said = in_a_process("status", "--json", ALLOMETRY_STORE=str(own[0] / "own.db"))
    assert said.document["studies"][0]["study"] == "own"


# ---- terminals ------------------------------------------------------------------------------

ESCAPE = "\x1b"


def test_no_colour_and_no_bar_off_a_terminal(own):
    said = in_a_process("run", own[0] / "own.py", "--store", own[0] / "own.db")
    assert ESCAPE not in said.out + said.err and "\r" not in said.err


def test_no_color_is_honoured_where_colour_is_forced(own):
    arguments = ("run", own[0] / "own.py", "--store", own[0] / "own.db")
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert colour.search(in_a_process(*arguments, FORCE_COLOR="1", TERM="xterm").out)
    assert not colour.search(
        in_a_process(*arguments, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").out
    )


def test_a_reader_that_leaves_early_is_no_error(own):
    command = f"{sys.executable} -m allometry table own --store {own[0] / 'own.db'} | head -c 10"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr and done.stdout.startswith("run_id")


# ---- what goes wrong ------------------------------------------------------------------------


def damage(path):
    """Change one number in one stored row, as a bad disk or a hand would."""
    with sqlite3.connect(path) as connection:
        run_id, row = connection.execute("SELECT run_id, row FROM runs LIMIT 1").fetchone()
        changed = re.sub(r'("test_loss":\D*\d\.\d)', r"\g<1>1", row, count=1)
        assert changed != row
        connection.execute("UPDATE runs SET row = ? WHERE run_id = ?", (changed, run_id))
    connection.close()
    return run_id


def test_verify_names_what_is_damaged_and_exits_65(store, allometry, own):
    whole = allometry("verify", "--store", store, "--json")
    assert whole.code == 0
    assert (whole.document["runs"], whole.document["damaged"]) == (4, [])
    run_id = damage(store)
    said = allometry("verify", "--store", store, "--json")
    assert said.code == 65
    assert [d["run_id"] for d in said.document["damaged"]] == [run_id]
    assert allometry("verify", "--store", store).code == 65
    refused = allometry("table", "own", "--store", store)
    assert refused.code == 65 and run_id[:12] in refused.err and not refused.out


def test_a_damaged_run_is_trained_again(store, allometry, own):
    damage(store)
    said = allometry("run", own[0] / "own.py", "--store", store, "--json")
    assert said.document["trained"] == 1
    assert allometry("verify", "--store", store).code == 0


def test_a_second_writer_is_told_who_holds_the_store(store, allometry, own):
    with Store(store, write=True):
        said = allometry("run", own[0] / "own.py", "--store", store)
        assert said.code == 75
        assert f"process {os.getpid()}" in said.err
        assert allometry("status", "--store", store).code == 0, "reading works meanwhile"


BAD = [
    # command, exit code, what the message says
    ("frob", 2, "frob"),
    ("run", 2, "STUDY"),
    ("run nobody", 2, "mlp_parameter_scaling"),
    ("run ./nobody.py", 2, "no file"),
    ("run {folder}", 2, "no study"),
    ("run {text}.py", 2, "STUDY = Study"),
    ("run {null}.py", 2, "not Python"),
    ("fit {rows}.csv --law {null}.py --map x=x --map y=y", 2, "null bytes"),
    ("run {own} --size huge", 2, "no size 'huge'; it has quick"),
    ("run {own} --size paper", 2, "no size 'paper'"),
    ("run {own} --seeds 0", 2, "--seeds"),
    ("run {own} --seeds many", 2, "--seeds"),
    ("run {own} --seeds 99999999999", 2, "--seeds"),
    ("run {own} --engine cloud", 2, "local"),
    ("run {own} --set nonsense", 2, "FIELD=VALUE"),
    ("run {own} --set =3", 2, "FIELD=VALUE"),
    ("run {own} --set nothing=3", 2, "RunSpec has"),
    ("run {own} --set train.nothing=3", 2, "TrainSpec has"),
    ("run {own} --set train.epochs=three", 2, "integer"),
    ("run {own} --set train.epochs=0", 2, "greater"),
    ("run {own} --set model=MLP", 2, "model"),
    ("run {own} --set data={{}}", 2, "data"),
    ("run {own} --set train.optimizer={{}}", 2, "optimizer"),
    ("run {own} --set train.optimizer.learning_rate=1e400", 2, "finite"),
    ("run {own} --set train.optimizer.learning_rate=NaN", 2, "learning_rate"),
    ("run {own} --set seed=1", 2, "the same"),
    ("run {own} --store {folder}", 2, "directory"),
    ("run {own} --store {folder}/none/x.db", 2, "no folder"),
    ("run {own} --store {text}", 65, "no allometry store"),
    ("status --store {folder}/none.db", 2, "no store"),
    ("verify --store {folder}/none.db", 2, "no store"),
    ("verify --store {text}", 65, "no allometry store"),
    ("verify --store {empty}", 2, "no store"),
    ("table own --store {folder}/none.db", 2, "no store"),
    ("table own --view upside-down --store {store}", 2, "no study 'own'"),
    ("table {own} --view upside-down --store {store}", 2, "no view 'upside-down'"),
    ("table nobody --store {store}", 2, "no study 'nobody'"),
    ("table own --size notebook --store {store}", 2, "own (quick)"),
    ("table own --size quick --set train.epochs=7 --store {store}", 2, "train.epochs=7"),
    ("table own --store {store} -o {folder}", 2, "directory"),
    ("table own --store {store} -o {text}/x.csv", 74, "cannot write"),
    ("report --size quick --store {store}", 2, "name it"),
    ("report nobody --store {store}", 2, "no study"),
    ("report {own} --store {folder}/none.db", 2, "no store"),
    ("report {own} --store {store} -o {text}/x.html", 74, "cannot write"),
    ("report path_dynamics --store {store}", 2, "allometry run path_dynamics"),
    ("exclude own --store {store}", 2, "--reason"),
    ("exclude own --reason x --store {folder}/none.db", 2, "no store"),
    ("exclude --reason x --store {store}", 2, "name STUDY"),
    ("exclude own --run 123456 --reason x --store {store}", 2, "name STUDY"),
    ("exclude own --where seed=77 --reason x --store {store}", 2, "nothing was done"),
    ("include own --where n_params --store {store}", 2, "COLUMN<=VALUE"),
    ("forget nobody --yes --store {store}", 2, "has runs of own (quick)"),
    ("forget --run 1234567 --yes --store {store}", 2, "no run '1234567'"),
    ("forget own --where lost=1 --yes --store {store}", 2, "no column 'lost'"),
    ("merge {store} -o {store}", 2, "exists"),
    ("merge {store} {folder}/none.db -o {folder}/new.db", 2, "no store"),
    ("merge {store} {text} -o {folder}/new.db", 65, "no allometry store"),
    ("merge -o {folder}/new.db", 2, "STORES"),
    ("data get nobody", 2, "fashion-mnist"),
    ("data frob", 2, "frob"),
    ("data get fashon-mnist", 2, "did you mean 'fashion-mnist'?"),
    ("run {own} --size quik", 2, "did you mean 'quick'?"),
    ("table {own} --view trajectory --store {store}", 2, "did you mean 'trajectories'?"),
    ("fit {rows}.csv --law powr --map x=x --map y=y", 2, "did you mean 'power'?"),
    ("compare {rows}.csv --laws log,powr --map x=x --map y=y", 2, "did you mean 'power'?"),
    ("plan {rows}.csv --law chinchila --map N=x --map L=y", 2, "did you mean 'chinchilla'?"),
    ("lits", 2, "Did you mean 'list'?"),
    ("list --nothing", 2, "--nothing"),
]


@pytest.mark.parametrize(("line", "code", "words"), BAD, ids=[line for line, _, _ in BAD])
def test_bad_input_is_answered_in_words(line, code, words, allometry, own, tmp_path):
    (tmp_path / "text").write_text("no database, no study " * 100)
    (tmp_path / "text.py").write_text("STUDY = 'none'")
    (tmp_path / "null.py").write_text("LAW = '\0'")
    (tmp_path / "rows.csv").write_text("x,y\n1,2\n2,3\n")
    (tmp_path / "empty.db").touch()
    places = {
        "folder": tmp_path,
        "own": own[0] / "own.py",
        "store": own[0] / "own.db",
        "text": tmp_path / "text",
        "null": tmp_path / "null",
        "rows": tmp_path / "rows",
        "empty": tmp_path / "empty.db",
    }
    arguments = line.format(**places).split()
    if line.startswith("run") and "--store" not in line:
        arguments += ["--store", str(tmp_path / "new.db")]
    said = allometry(*arguments)
    assert said.code == code, said.err
    assert words in said.err
    assert not said.out, "what went wrong is said on stderr"


OF_A_STUDY = [
    "run {} --store {store}", "report {} --store {store}", "table {} --store {store}",
    "table {} --size quick --store {store}", "export {} {new} --to tensorboard --store {store}",
    "exclude {} --reason x --store {store}", "include {} --store {store}",
    "forget {} --yes --store {store}", "forget {} --size quick --yes --store {store}",
    "sample {run} --study {} --store {store}", "run {} --explain --store {store}",
]  # fmt: skip


@pytest.mark.parametrize("line", OF_A_STUDY)
@pytest.mark.parametrize(("typed", "near"), [("owm", "own"), ("sparse_partiy", "sparse_parity")])
def test_a_name_of_no_study_is_told_with_the_nearest_and_what_the_store_has(
    line, typed, near, allometry, own, tmp_path
):
    store = own[0] / "own.db"
    with Store(store) as opened:
        run_id = opened.run_ids()[0]
    words = line.format(typed, store=store, new=tmp_path / "new", run=run_id).split()
    said = allometry(*words)
    assert said.code == 2 and not said.out
    assert f"no study '{typed}'; store {store} has runs of own (quick); there are " in said.err
    assert said.err.rstrip().endswith(f"did you mean '{near}'?")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("line", ["run {} --store {store}", "report {} --store {store}"])
def test_a_stored_study_of_ones_own_is_asked_for_by_its_file(line, allometry, own):
    said = allometry(*line.format("own", store=own[0] / "own.db").split())
    assert said.code == 2 and "own is a study of yours: give the path of its file" in said.err


def test_a_damaged_store_does_not_hide_that_there_is_no_such_study(allometry, tmp_path):
    (tmp_path / "damaged.db").write_bytes(b"no store" * 500)
    said = allometry("run", "sparse_partiy", "--store", tmp_path / "damaged.db")
    assert said.code == 2 and "did you mean 'sparse_parity'?" in said.err


def test_json_keeps_stdout_empty_where_nothing_came_of_it(own, allometry):
    said = allometry("run", "nobody", "--json")
    assert said.code == 2 and not said.out and said.err.startswith("allometry: ")
