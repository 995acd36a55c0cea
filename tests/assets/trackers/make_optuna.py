"""Optuna's SQLite storage, by optuna 5.0.0.

pip install optuna
python -m tests.assets.trackers.make_optuna tests/assets/trackers
"""

import gzip
import sys
from pathlib import Path

import optuna
from tests.assets.trackers.logged import RUNS, WIDTHS


def objective(trial):
    n = trial.suggest_categorical("n", [*WIDTHS, 256, 512])
    trial.suggest_float("lr", 0.01, 0.02, log=True)
    trial.suggest_categorical("optimizer", ["adam", "sgd"])
    trial.set_user_attr("host", {"gpus": 2})
    run = next(run for run in RUNS if run.config["model"]["n"] == n)
    for step, value in run.metrics["train/loss"]:
        trial.report(value, step)
    if not run.finished:
        raise optuna.TrialPruned
    return run.metrics["train/loss"][-1][1]


if __name__ == "__main__":
    path = Path(sys.argv[1]) / "optuna.db"
    storage = f"sqlite:///{path}"
    study = optuna.create_study(storage=storage, study_name="widths")
    for n in (*WIDTHS, 256, 512):
        study.enqueue_trial({"n": n, "lr": 0.01, "optimizer": "adam"})
    study.optimize(objective, n_trials=7)
    two = optuna.create_study(
        storage=storage, study_name="two", directions=["minimize", "maximize"]
    )
    two.set_metric_names(["loss", "speed"])
    two.enqueue_trial({"x": 0.5})
    two.optimize(lambda t: (t.suggest_float("x", 0, 1), float("inf")), n_trials=1)
    path.with_name("optuna.db.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
