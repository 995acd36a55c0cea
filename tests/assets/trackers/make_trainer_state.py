"""`trainer_state.json` of the Trainer of transformers, by its class TrainerState.

pip install transformers
python -m tests.assets.trackers.make_trainer_state tests/assets/trackers/trainer
"""

import json
import sys
from pathlib import Path

from tests.assets.trackers.logged import RUNS
from transformers.trainer_callback import TrainerState


def state(run, until):
    points = run.metrics
    log = [
        {"epoch": s / 100, "loss": v, "learning_rate": 0.01, "step": s}
        for s, v in points["train/loss"]
        if s <= until
    ]
    log += [
        {"epoch": s / 100, "eval_loss": v, "eval_runtime": 1.5, "step": s}
        for s, v in points["train/loss"]
        if s <= until and s % 50 == 0
    ]
    if until == 190:
        log.append(
            {
                "epoch": 1.9,
                "total_flos": 6e9 * run.config["model"]["n"],
                "train_loss": 2.0,
                "train_runtime": 12.0,
                "step": 190,
            }
        )
    return TrainerState(
        epoch=until / 100,
        global_step=until,
        max_steps=190,
        num_train_epochs=2,
        logging_steps=10,
        total_flos=6e9 * run.config["model"]["n"] * until / 190,
        log_history=log,
        train_batch_size=8,
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    for run, ends in ((RUNS[0], (90, 190)), (RUNS[1], (190,)), (RUNS[-1], (90,))):
        for until in ends:
            folder = out / run.name / f"checkpoint-{until}"
            folder.mkdir(parents=True)
            state(run, until).save_to_json(str(folder / "trainer_state.json"))
        top = out / run.name / "trainer_state.json"
        if ends[-1] == 190 and run is RUNS[1]:
            state(run, 190).save_to_json(str(top))
        (out / run.name / f"checkpoint-{ends[-1]}" / "config.json").write_text(
            json.dumps(
                {"hidden_size": run.config["model"]["n"], "architectures": ["GPT2LMHeadModel"]}
            )
        )
