"""MLflow's SQLite file and its folder `mlruns`, by mlflow 3.17.2.

pip install mlflow
python -m tests.assets.trackers.make_mlflow tests/assets/trackers
"""

import gzip
import os
import sys
from pathlib import Path

from mlflow.store.tracking.file_store import FileStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from tests.assets.trackers.logged import RUNS

ARTIFACTS = "s3://artifacts"  # nothing is put there


def log(uri, runs):
    client = MlflowClient(uri)
    experiment = client.create_experiment("widths", artifact_location=ARTIFACTS)
    for run in runs:
        run_id = client.create_run(experiment, run_name=run.name).info.run_id
        for name, value in run.config.items():
            for key, cell in value.items() if name == "model" else [("", value)]:
                client.log_param(run_id, f"{name}.{key}".rstrip("."), cell)
        for name, points in run.metrics.items():
            for step, value in points:
                client.log_metric(run_id, name, value, step=step)
        client.log_metric(run_id, "largest", float("inf"), step=0)
        client.set_terminated(run_id, "FINISHED" if run.finished else "FAILED")
    deleted = client.create_run(experiment, run_name="deleted").info.run_id
    client.delete_run(deleted)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    path = out / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", ARTIFACTS)
    log(f"sqlite:///{path}", RUNS)
    (out / "mlflow.db.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    FileStore(str(out / "mlruns"), ARTIFACTS)
    log(str(out / "mlruns"), RUNS[:1] + RUNS[-2:])
