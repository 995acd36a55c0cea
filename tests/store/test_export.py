"""Stored runs as event files: read back by `import_runs`, and by TensorBoard itself."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from allometry import cli
from allometry.errors import UsageError
from allometry.run import run
from allometry.spec import Experiment
from allometry.store.export import export_runs
from allometry.studies import table
from allometry.study import Study
from allometry.tables.trackers.source import import_runs
from allometry.training.function import Function


class Tiny(Experiment):
    i: int
    rate: float = 0.1


def train(spec):
    for step in (0, 5, 10):
        yield step, {"loss": 1 / 3 + step * spec.i, "norm": np.arange(2.0) + step}
    return {"final": 0.1 * spec.i, "word": "a text"}


def study():
    return Study(
        name="tiny", title="t", question="q", prediction="p", source="s", measures={},
        procedure=Function(train), analyse=lambda table: [],
        runs=lambda size, seeds: [Tiny(i=i, seed=s) for s in seeds for i in range(3)],
        seeds={"quick": (0,)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "s.db"
    run(study(), store=path)
    return path


def test_what_is_exported_is_what_is_imported(stored, tmp_path):
    rows = table(study(), store=stored)
    exported = export_runs(rows, tmp_path / "tb", store=stored)
    assert (exported.runs, exported.left_out) == (3, ())
    back = {row["run_id"]: row for row in import_runs(tmp_path / "tb")}
    first = {row["run_id"]: row for row in import_runs(tmp_path / "tb", value="max")}
    assert back.keys() == set(rows["run_id"].tolist())
    for row in rows:
        again, along = back[row["run_id"]], rows.trajectories[row["run_id"]]
        assert again["loss"] == along["loss"][-1] and again["norm.1"] == along["norm"][-1, 1]
        assert first[row["run_id"]]["loss"] == along["loss"].max()
        assert again["table/final"] == row["final"] and again["word"] == "a text"
        assert (again["rate"], again["table/final"]) == (0.1, 0.1 * again["i"])
        assert again["status"] == "finished" and again["config.status"] == "done"


def test_a_folder_with_files_is_refused(stored, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is not an empty folder"):
        export_runs(table(study(), store=stored), tmp_path, store=stored)
    with pytest.raises(UsageError, match="one of tensorboard"):
        export_runs(table(study(), store=stored), tmp_path / "new", store=stored, to="wandb")


def test_the_command_writes_a_folder_a_run(stored, tmp_path):
    words = ["export", "tiny", str(tmp_path / "tb"), "--to", "tensorboard", "--store", str(stored)]
    done = CliRunner().invoke(cli.commands, words, catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "tb")
    assert len(list((tmp_path / "tb").glob("*/events.out.tfevents.*"))) == 3


def test_every_study_has_a_view_along_training(stored):
    rows = study().view("trajectories", table(study(), store=stored))
    assert len(rows) == 9 and rows["step"].tolist()[:3] == [0, 5, 10]
    with pytest.raises(UsageError, match="it has trajectories"):
        study().view("other", rows)


READ = """
import json, sys
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.util import tensor_util
from tensorboard.plugins.hparams import plugin_data_pb2
found = {}
multiplexer = EventMultiplexer().AddRunsFromDirectory(sys.argv[1]).Reload()
for name, tags in multiplexer.Runs().items():
    tensors = {
        tag: [[e.step, tensor_util.make_ndarray(e.tensor_proto).item()]
              for e in multiplexer.Tensors(name, tag)]
        for tag in tags["tensors"] if not tag.startswith("_hparams_")
    }
    plugin = multiplexer.SummaryMetadata(name, "_hparams_/session_start_info").plugin_data
    content = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
    hparams = {
        key: getattr(value, value.WhichOneof("kind"))
        for key, value in content.session_start_info.hparams.items()
    }
    found[name] = [tensors, hparams]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_tensorboard_reads_what_is_exported(stored, tmp_path):
    """TensorBoard's own reader gives every scalar, bit for bit, and the hyperparameters."""
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    rows = table(study(), store=stored)
    export_runs(rows, tmp_path / "tb", store=stored)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "tb")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 3
    for row in rows:
        scalars, hparams = found[row["run_id"][:12]]
        along = rows.trajectories[row["run_id"]]
        assert scalars["loss"] == [
            list(p) for p in zip(along["step"].tolist(), along["loss"].tolist(), strict=True)
        ]
        assert scalars["table/final"] == [[10, row["final"]]]
        assert hparams["run_id"] == row["run_id"] and hparams["word"] == "a text"
        assert hparams["rate"] == 0.1
