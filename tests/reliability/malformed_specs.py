"""Words for `--set`, of a study of one's own class and of a language model, that do not fit."""

import json
import random
from pathlib import Path

import allometry as al
from allometry.store import Store
from allometry.training.result import RunResult
from tests.reliability.malformed_documents import WORDS
from tests.reliability.malformed_tables import CELLS, VALUES
from tests.store.cases import PROVENANCE

__all__ = ["LETTERS", "command", "store_letters"]

LETTERS = '''
"""Runs of every part that is named in a spec; none of them is trained."""
import allometry as al
from allometry.datasets import Text

DATA = Text(name="tiny", sha256="0" * 64, context=16, train_tokens=1024, test_tokens=64)
MODEL = al.models.LanguageModel(vocabulary=256, context=16, d_model=16, n_layers=1, d_mlp=16)
TRAIN = al.TrainSpec(
    optimizer=al.optimizers.Adam(learning_rate=1e-2), batch_size=8, steps=4, loss="cross_entropy"
)


def runs(size, seeds):
    return [al.RunSpec(model=MODEL, data=DATA, train=TRAIN, seed=seed) for seed in seeds]


STUDY = al.Study("letters", runs=runs, sizes=("tiny",), measures={"losses": al.measures.losses})
'''

FIELDS = (
    "seed", "measures", "code", "model", "data", "train", "kind", "", ".", "..", "train.", ".train",
    "train..loss", "x.y.z", "width", "with", "train.optimizer", "train.optimizer.learning_rate",
    "train.optimizer.b1", "train.lr", "train.epochs", "train.steps", "train.examples",
    "train.batch_size", "train.batch_order", "train.measure_every", "train.measure_steps",
    "train.loss", "train.loss.delta", "train.metrics", "train.schedule", "train.schedule.warmup",
    "train.clip_norm", "train.layer_rates", "train.precision", "train.stop", "train.loss=huber",
    "train.optimizer=SGD", "model.vocabulary", "model.context", "model.d_model", "model.n_layers",
    "model.d_head", "model.mlp", "model.positions", "model.tied", "model.parametrisation",
    "model.base_width", "data.name", "data.sha256", "data.tokeniser", "data.context", "data.source",
    "data.train_tokens", "data.held_out", "model.__class__", "__dict__", "model_fields",
    "train.epochs\n", "тrain.epochs", "train" + ".x" * 5000, "x" * 9000, "train.epochs ",
    "TRAIN.EPOCHS", "train[epochs]", "train/epochs",
)  # fmt: skip
TEXTS = (
    "", " ", "=", "==", "3", "3.0", "-1", "0", "1e400", "1e-400", "nan", "NaN", "Infinity",
    "-Infinity", "null", "true", "True", "[1]", "[]", "{}", '{"kind":"SGD"}',
    '{"kind":"Adam","learning_rate":1}', '"x"', "'x'", "huber", "squared_error", "linear", "cosine",
    "bytes", "characters", "byte_pair", "[" * 5000, "[" * 900 + "]" * 900, '{"a":' * 5000,
    "9" * 5000, "1" * 400, "18446744073709551616", "4294967296", "\ud800", "\x1b[2J", "a\nb", "é",
    "0x10", "1_000", "1,5", " 3 ", "+3", "[1,2,3]", "[[1]]", '["a"]', "x" * 9000, "../../x", "%s",
    "{0}", "$HOME", "5e-324", "1.7976931348623157e308", "-0.0", "03",
)  # fmt: skip
COMMANDS = (
    "run ./letters.py --explain", "run ./letters.py --explain --json", "run ./own.py --explain",
    "run ./own.py --store new.db", "table ./own.py", "table own", "exclude ./own.py --reason why",
    "include own", "report ./own.py -o page.html", "forget own --yes",
    "run mlp_parameter_scaling --explain", "run ./letters.py --store new.db --seeds 2",
)  # fmt: skip


def command(draw: random.Random) -> list[str]:
    """A command line with one or two changes that hardly fit."""
    words = draw.choice(COMMANDS).split()
    for _ in range(draw.choice((1, 1, 1, 2))):
        between = draw.choice((*"=" * 12, "", "==", ":"))
        words += ["--set", f"{draw.choice(FIELDS)}{between}{_value(draw)}"]
    return words


def _value(draw: random.Random) -> str:
    match draw.randrange(4):
        case 0:
            return json.dumps(draw.choice(VALUES))
        case 1:
            return draw.choice((*WORDS, *CELLS))
    return draw.choice(TEXTS)


def store_letters(study: Path, store: Path) -> None:
    """Store a run of the language model as if it had been trained; no network is kept."""
    (spec,) = al.study(study).specs("tiny")
    with Store(store, write=True) as opened:
        opened.declare("letters", "tiny", "", [spec])
        opened.commit([RunResult(spec, "done", {"test_loss": 1.0}, 0.0)], PROVENANCE)
