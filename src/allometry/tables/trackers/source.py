"""Which tracker wrote a file or a folder, and the table of its runs."""

from collections.abc import Mapping
from pathlib import Path

from allometry.errors import DataError, UsageError, did_you_mean
from allometry.files.foreign import check_regular, expanded, is_folder
from allometry.tables.table import Table
from allometry.tables.trackers.columns import table_of
from allometry.tables.trackers.csv_folder import csv_runs, is_csv
from allometry.tables.trackers.database import is_database, reading
from allometry.tables.trackers.folders import files_below
from allometry.tables.trackers.mlflow import MLFLOW_TABLES, mlflow_runs
from allometry.tables.trackers.mlflow_files import META, mlflow_folder_runs
from allometry.tables.trackers.options import KINDS, Kind, Rule
from allometry.tables.trackers.optuna import OPTUNA_TABLES, optuna_runs
from allometry.tables.trackers.tensorboard import is_event_file, tensorboard_runs
from allometry.tables.trackers.tracked import Reader
from allometry.tables.trackers.trackio import TRACKIO_TABLES, trackio_runs
from allometry.tables.trackers.trainer_state import STATE, trainer_runs
from allometry.tables.trackers.values import check_rules
from allometry.tables.trackers.wandb import SUMMARY, wandb_runs
from allometry.tables.trackers.wandb_exports import wandb_csv_runs, wandb_json_runs

__all__ = ["import_runs", "kind_of"]

DATABASES: dict[Kind, Mapping[str, str]] = {
    "mlflow": MLFLOW_TABLES,
    "optuna": OPTUNA_TABLES,
    "trackio": TRACKIO_TABLES,
}
READ = (
    "a folder of TensorBoard, W&B, MLflow (mlruns), the Trainer of transformers, or CSV files, one "
    "per run; an SQLite file of MLflow, Optuna or Trackio; or a table of runs exported from W&B"
)


def import_runs(
    source: str | Path,
    *,
    kind: Kind | None = None,
    value: Rule = "last",
    values: Mapping[str, Rule] | None = None,
    unfinished: bool = False,
) -> Table:
    """The table of finished runs that another program tracked.

    A row per run: its name (``run``), what the tracker keeps about it (``run_id``, ``experiment``,
    ``status``), its configuration with dotted names, and one value of each metric. Where a metric
    and the configuration share a name, the column of the latter is ``config.NAME``.

    Args:
        source: file or folder; it is only read.
        kind: the tracker; None: detected from the source.
        value: which value of a metric along training: the ``last`` by step, ``min``, ``max``, or
            ``smoothed``, the mean over the last tenth of its points.
        values: the same for single metrics, by name.
        unfinished: whether to include runs that failed, were stopped or are under way, where the
            tracker records this.

    Raises:
        UsageError: there is no such source, kind, rule or metric.
        DataError: the source is damaged, larger than what is read, or of an unknown form.
        StoreBusyError: a program is writing it.
    """
    path = expanded(source)
    check_rules(value, values or {})
    if kind is not None and kind not in KINDS:
        raise UsageError(
            f"kind: one of {', '.join(KINDS)} was expected, got {kind!r}{did_you_mean(kind, KINDS)}"
        )
    if not is_folder(path):
        check_regular(path)
    read = _reader(path, kind or kind_of(path))
    return table_of(path, read(path), value, values or {}, unfinished=unfinished)


def kind_of(source: Path) -> Kind:
    """Which tracker wrote a source.

    Raises:
        DataError: no known tracker. UsageError: the folder has files of several trackers.
    """
    kinds = _kinds_of_folder(source) if source.is_dir() else _kinds_of_file(source)
    if len(kinds) > 1:
        raise UsageError(
            f"{source} has files of {' and '.join(kinds)}: name a folder further down, or say "
            f"which with --from ({', '.join(kinds)})"
        )
    if not kinds:
        raise DataError(f"{source} is not of a kind that can be imported: {READ}")
    return kinds[0]


def _kinds_of_folder(folder: Path) -> list[Kind]:
    paths = files_below(folder)
    names = {path.name for path in paths}
    present: dict[Kind, bool] = {
        "tensorboard": any(map(is_event_file, paths)),
        "wandb": SUMMARY in names or any(path.suffix == ".wandb" for path in paths),
        "trainer": STATE in names,
        "mlflow": META in names,
    }
    kinds: list[Kind] = [kind for kind, there in present.items() if there]
    return kinds or (["csv"] if any(map(is_csv, paths)) else [])


def _kinds_of_file(path: Path) -> list[Kind]:
    if is_event_file(path):
        return ["tensorboard"]
    if path.suffix == ".wandb" or path.name == SUMMARY:
        return ["wandb"]
    if path.name == STATE:
        return ["trainer"]
    if is_csv(path) or path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        return ["wandb-export"]
    if not is_database(path):
        return []
    with reading(path, "an SQLite file") as database:
        return [kind for kind, tables in DATABASES.items() if database.has(tables)]


def _reader(path: Path, kind: Kind) -> Reader:
    if kind in DATABASES and not (kind == "mlflow" and path.is_dir()):
        _check_database(path, kind)
    if kind == "mlflow":
        return mlflow_folder_runs if path.is_dir() else mlflow_runs
    if kind == "wandb-export":
        return wandb_csv_runs if is_csv(path) else wandb_json_runs
    readers: dict[Kind, Reader] = {
        "tensorboard": tensorboard_runs,
        "optuna": optuna_runs,
        "trackio": trackio_runs,
        "wandb": wandb_runs,
        "trainer": trainer_runs,
        "csv": csv_runs,
    }
    return readers[kind]


def _check_database(path: Path, kind: Kind) -> None:
    """Refuse a file whose tables are not those that this version of the reader knows."""
    wanted = DATABASES[kind]
    with reading(path, f"an SQLite file of {kind}") as database:
        for table, columns in wanted.items():
            missing = {*columns.split()} - database.tables.get(table, set())
            if missing:
                raise DataError(
                    f"{path}: an SQLite file of {kind} was expected, with a table {table} of "
                    f"{columns.replace(' ', ', ')}; it lacks {', '.join(sorted(missing))}, so it "
                    "is another file, or of a version that is not known here"
                )
