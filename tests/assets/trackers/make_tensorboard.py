"""TensorBoard event files, by tensorboardX 2.6.5 (as PyTorch's SummaryWriter) and tensorboard 2.21.

pip install tensorboard tensorboardX
python -m tests.assets.trackers.make_tensorboard tests/assets/trackers/tensorboard
"""

import socket
import sys
from pathlib import Path

import numpy as np
import tensorboardX
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.scalar import metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
from tests.assets.trackers.logged import RUNS


def by_writer(folder, run):
    """As most programs do; `add_hparams` makes a folder of its own in that of the run."""
    with tensorboardX.SummaryWriter(str(folder)) as writer:
        for name, points in run.metrics.items():
            for step, value in points:
                writer.add_scalar(name, value, step)
        writer.add_histogram("weights", np.arange(100.0), 0)
        writer.add_text("about", "a text", 0)
        config = {f"model.{k}": v for k, v in run.config["model"].items()}
        config |= {"lr": 0.01, "optimizer": "adam", "amsgrad": False}
        writer.add_hparams(config, {"hparam/final": run.metrics["train/loss"][-1][1]})


def by_tensors(folder, run):
    """As TensorFlow 2 does: scalars as tensors, hyperparameters in the folder of the run."""
    writer = EventFileWriter(str(folder))
    config = {"model.n": run.config["model"]["n"], "lr": 0.01, "optimizer": "adam"}
    pb = hparams.hparams_pb(config)
    writer.add_event(event_pb2.Event(wall_time=1.0, summary=pb))
    for name, points in run.metrics.items():
        for step, value in points:
            tensor = tensor_util.make_tensor_proto(np.float32(value))
            summary = summary_pb2.Summary(
                value=[
                    summary_pb2.Summary.Value(
                        tag=name, tensor=tensor, metadata=metadata.create_summary_metadata("", "")
                    )
                ]
            )
            writer.add_event(event_pb2.Event(wall_time=1.0, step=step, summary=summary))
    writer.close()


if __name__ == "__main__":
    socket.gethostname = lambda: "host"  # stands in the names of the files
    out = Path(sys.argv[1])
    by_writer(out / "width 8", RUNS[0])
    by_tensors(out / "sweep" / "width 16", RUNS[1])
    by_writer(out / "width 256", RUNS[5])
