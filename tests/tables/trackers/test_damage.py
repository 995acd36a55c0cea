"""Sources that are damaged, in use, of other versions or hostile: told in words, and inert."""

import random
import sqlite3

import pytest

from allometry.errors import AllometryError, DataError, StoreBusyError, printable
from allometry.tables.read import read_table
from allometry.tables.trackers import events
from allometry.tables.trackers.records import framed
from allometry.tables.trackers.source import import_runs

DATABASES = ("mlflow.db", "optuna.db", "trackio.db")
FILES = {
    "mlflow.db": None,
    "optuna.db": None,
    "trackio.db": None,
    "tensorboard": "width 8/events.out.tfevents*",
    "wandb": "*/run-*.wandb",
    "wandb-files": "*/files/config.yaml",
    "trainer": "width 8/checkpoint-190/trainer_state.json",
    "mlruns": "*/*/meta.yaml",
}


def change(path, statement):
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("name", FILES)
def test_damage_of_any_kind_is_told_in_words(tracked, name):
    """Cut, overwritten and exchanged bytes: an import, or an error meant for people."""
    source = tracked(name)
    pattern = FILES[name]
    path = source if pattern is None else sorted(source.glob(pattern))[0]
    whole, choose = path.read_bytes(), random.Random(1)
    for _ in range(12):
        changed = bytearray(whole)
        for _ in range(choose.randint(1, 30)):
            at = choose.randrange(len(changed))
            changed[at : at + choose.choice((0, 1, 40))] = choose.randbytes(choose.choice((1, 8)))
        path.write_bytes(changed if choose.random() < 0.7 else changed[: choose.randrange(3000)])
        try:
            import_runs(source)
        except AllometryError as error:
            assert str(source.parent) in str(error)


def test_a_file_that_is_cut_names_itself(tracked):
    path = tracked("mlflow.db")
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(DataError, match=r"mlflow\.db is damaged"):
        import_runs(path)


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_is_not_changed_by_reading(tracked, name):
    path = tracked(name)
    before = path.read_bytes(), path.stat().st_mtime_ns
    import_runs(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_a_file_of_another_version_says_what_it_lacks(tracked):
    path = tracked("optuna.db")
    change(path, "ALTER TABLE trial_values RENAME COLUMN value_type TO other")
    with pytest.raises(DataError, match="is not of a kind that can be imported"):
        import_runs(path)
    with pytest.raises(DataError, match=r"a table trial_values.*lacks value_type.*version"):
        import_runs(path, kind="optuna")


def test_a_view_in_the_place_of_a_table_is_not_run(tracked):
    path = tracked("trackio.db")
    change(path, "ALTER TABLE configs RENAME TO others")
    change(path, "CREATE VIEW configs AS SELECT run_id, run_name, config FROM others")
    with pytest.raises(DataError, match=r"a table configs"):
        import_runs(path, kind="trackio")


def test_a_database_that_is_written_with_a_log_is_read(tracked):
    """As beside a run under way: what was committed is in the log alone."""
    path = tracked("trackio.db")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) "
        "VALUES ('x', '2026', 'added', 0, '{\"train/loss\": 0.125}')"
    )
    writer.commit()
    assert (path.parent / "trackio.db-wal").stat().st_size
    runs = import_runs(path)
    assert runs.where(run="added")["train/loss"].tolist() == [0.125]
    writer.close()


def test_a_database_with_an_unfinished_change_says_so(tracked):
    path = tracked("optuna.db")
    path.with_name("optuna.db-journal").write_bytes(
        b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600)
    )
    with pytest.raises(StoreBusyError, match=r"being written, or its program was killed"):
        import_runs(path)


def test_a_cell_that_is_not_what_it_was_is_named(tracked):
    path = tracked("trackio.db")
    change(path, "UPDATE configs SET config = '[[[' WHERE id = 1")
    with pytest.raises(DataError, match=r"trackio\.db: JSON was expected"):
        import_runs(path)
    change(path, f"UPDATE configs SET config = '{'[' * 5000}' WHERE id = 1")
    with pytest.raises(DataError, match="nested more than"):
        import_runs(path)
    path = tracked("optuna.db")
    change(path, "UPDATE trial_params SET param_value = 99 WHERE param_name = 'n'")
    with pytest.raises(DataError, match="parameter 'n': a value of a distribution"):
        import_runs(path)


HOSTILE = ("\x1b]0;PWNED\x07\x1b[2J", "=1+1", "#1", 'a,"b"\nc', "\u202egnp.exe", " ", "\0x", "NA")


def test_hostile_texts_come_back_from_the_csv_and_steer_no_terminal(tmp_path):
    config = dict.fromkeys(HOSTILE, "\x1b[2J\0")
    for place, name in enumerate(HOSTILE):
        (tmp_path / "runs" / f"{place}").mkdir(parents=True)
        parts = [
            events.hyperparameters({**config, "text": name}, 1.0),
            events.scalar(name, 1.0, 0, 1.0),
            events.scalar("loss", place, 0, 1.0),
        ]
        path = tmp_path / "runs" / f"{place}" / "events.out.tfevents.1.h"
        path.write_bytes(b"".join(map(framed, parts)))
    runs = import_runs(tmp_path / "runs")
    runs.to_csv(tmp_path / "runs.csv")
    back = read_table(tmp_path / "runs.csv", ["loss"])
    assert len(back) == len(HOSTILE) and back["loss"].tolist() == list(range(len(HOSTILE)))
    assert back.columns == runs.columns
    assert "\x1b" not in printable(repr(runs))
    texts = [text.replace("\0", r"\x00").strip() or None for text in HOSTILE]
    assert back["text"].tolist() == [None if text == "NA" else text for text in texts]


def test_a_run_that_is_called_like_a_comment_is_read_back(tmp_path):
    (tmp_path / "#1, the first.csv").write_text("step,loss\n0,3\n")
    (tmp_path / "b.csv").write_text("step,loss\n0,4\n")
    import_runs(tmp_path, kind="csv").to_csv(tmp_path / "out.txt.csv")
    back = read_table(tmp_path / "out.txt.csv")
    assert back["run"].tolist() == ["#1, the first", "b"]


def test_names_that_two_kinds_of_column_share_are_told_apart(tmp_path):
    (tmp_path / "r").mkdir()
    parts = [events.hyperparameters({"loss": "mse", "run": 7}, 1.0),
             events.scalar("loss", 0.5, 0, 1.0), events.scalar("run", 0.25, 0, 1.0)]  # fmt: skip
    (tmp_path / "r" / "tfevents").write_bytes(b"".join(map(framed, parts)))
    (row,) = import_runs(tmp_path)
    assert row == {
        "run": "r", "config.loss": "mse", "config.run": 7, "loss": 0.5, "metric.run": 0.25
    }  # fmt: skip


def test_a_link_to_a_folder_is_not_followed(tracked):
    folder = tracked("tensorboard")
    (folder / "again").symlink_to(folder)
    assert len(import_runs(folder)) == 3


def test_a_start_that_is_no_number_is_named(tracked):
    folder = tracked("mlruns")
    path = next(p for p in folder.glob("*/*/meta.yaml") if "start_time" in p.read_text())
    path.write_text(path.read_text().replace("start_time: ", "start_time: at "))
    with pytest.raises(DataError, match=r"meta\.yaml: start_time, a number, was expected"):
        import_runs(folder)
