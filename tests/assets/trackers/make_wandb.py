"""Files of runs by wandb 0.31.0 offline, which writes no `files/config.yaml`; that by wandb 0.16.6.

pip install wandb==0.31.0  # then 0.16.6 in another environment
python -m tests.assets.trackers.make_wandb FOLDER tests/assets/trackers
"""

import json
import shutil
import sys
from pathlib import Path

import wandb
from tests.assets.trackers.logged import RUNS

CONFIG = {"note": 'two\nlines: "quoted" # é', "long": "words " * 30, "none": {}, "empty": [],
          "many": [[1, 2], {"a": 0.5}], "word": "true", "tiny": 1e-05}  # fmt: skip


def runs(folder, out):
    """By a whole run: its file has the history, and one run is never finished."""
    for run in (RUNS[0], RUNS[1], RUNS[5]):
        settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, disable_git=True,
                                  save_code=False, console="off", host="host")  # fmt: skip
        tracked = wandb.init(dir=folder, mode="offline", project="widths", name=run.name,
                             config={**run.config, **CONFIG}, settings=settings)  # fmt: skip
        for step in sorted({step for points in run.metrics.values() for step, _ in points}):
            here = {name: dict(points) for name, points in run.metrics.items()}
            tracked.log({n: at[step] for n, at in here.items() if step in at}, step=step)
        tracked.summary["best"] = min(value for _, value in run.metrics["train/loss"])
        tracked.finish()
    for path in Path(folder).glob("wandb/offline-run-*/run-*.wandb"):
        (out / "wandb" / path.parent.name).mkdir(parents=True)
        shutil.copy(path, out / "wandb" / path.parent.name)


def files(out):
    """By the function that wrote `config.yaml` of runs with a server, in Python until 0.16."""
    from wandb.sdk.lib import config_util

    folder = out / "wandb-files" / "run-20260101_000000-abcdefgh" / "files"
    folder.mkdir(parents=True)
    config = {
        key: {"desc": None, "value": value} for key, value in {**RUNS[0].config, **CONFIG}.items()
    }
    config["_wandb"] = {"desc": None, "value": {"cli_version": "0.16.6", "t": {1: [1, 55]}}}
    config_util.save_config_file_from_dict(str(folder / "config.yaml"), config)
    summary = {name: points[-1][1] for name, points in RUNS[0].metrics.items()}
    summary |= {"_step": 190, "_runtime": 1.5, "_wandb": {"runtime": 1}}
    (folder / "wandb-summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    if wandb.__version__.startswith("0.16"):
        files(Path(sys.argv[2]))
    else:
        runs(sys.argv[1], Path(sys.argv[2]))
