"""Text is drawn from the network, model and tokeniser that a store has under a run_id."""

import csv
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import allometry as al
from allometry.errors import DataError, UsageError
from allometry.models.language_model.generation import generated
from allometry.spec.torch_draws import TorchDraws
from allometry.training.kept import Kept
from tests.datasets.text.conftest import story
from tests.store.cases import PROVENANCE, fill, specs

CONTEXT = 16


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with a run of each tokeniser, and networks beside it that were never trained."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "book.txt").write_text(story(4000), encoding="utf-8")
    texts = [
        al.datasets.read_text(folder / "book.txt", tokeniser=t, context=CONTEXT, test_tokens=64)
        for t in ("bytes", "characters")
    ]
    train = al.TrainSpec(optimizer=al.optimizers.Adam(), steps=1, loss="cross_entropy")
    runs = [
        al.RunSpec(model=model(text.n_vocabulary), data=text, train=train, seed=0) for text in texts
    ]
    with al.Store(folder / "s.db", write=True) as store:
        store.declare("letters", "quick", "", runs)
        store.commit(
            [al.RunResult(run, "done", {"test_loss": 1.0}, 0.1) for run in runs], PROVENANCE
        )
    for run in runs:
        Kept.beside(folder / "s.db", "weights").write(run, 1, run.model.init(TorchDraws(0)), None)
    return SimpleNamespace(store=folder / "s.db", runs=[r.run_id for r in runs], texts=texts)


def model(vocabulary):
    return al.models.LanguageModel(
        vocabulary=vocabulary, context=CONTEXT, d_model=16, n_layers=1, d_mlp=32
    )


def test_the_text_is_that_of_the_network_that_was_kept(stored):
    for run_id, data in zip(stored.runs, stored.texts, strict=True):
        tokens = generated(
            model(data.n_vocabulary), al.weights(run_id, stored.store), data.encode("the "), 40,
            vocabulary=data.n_vocabulary, temperature=0.8, seed=3,
        )  # fmt: skip
        expected = b"".join([data._tokens().vocabulary[t] for t in tokens.tolist()])
        options = {"store": stored.store, "prompt": "the ", "tokens": 40, "temperature": 0.8}
        text = al.sample(run_id, seed=3, **options)
        assert text == expected.decode("utf-8", "replace")
        assert al.sample(run_id[:6], seed=3, **options) == text
        assert al.sample(run_id, seed=4, **options) != text


def test_the_measure_gives_the_text_that_is_drawn_from_kept_weights_afterwards(stored, tmp_path):
    """As trained, and as before the first update: bytes by a nearly uniform model, no UTF-8."""
    options = {"prompt": "the ", "tokens": 60, "temperature": 0.9, "seed": 5}
    train = al.TrainSpec(optimizer=al.optimizers.Adam(learning_rate=0.03), steps=20, batch_size=4)
    data = stored.texts[0]
    spec = al.RunSpec(model=model(data.n_vocabulary), data=data, train=train, seed=0)
    study = al.Study(
        name="written", runs=lambda size, seeds: [spec],
        measures={"text": partial(al.measures.sampled_text, **options)},
    )  # fmt: skip
    table = al.run(study, store=tmp_path / "s.db", keep="weights").table
    (row,) = table
    assert row["sampled_text"] == al.sample(row["run_id"], store=tmp_path / "s.db", **options)
    assert row["sampled_text"] != row["sampled_text_untrained"]
    assert "\ufffd" in row["sampled_text_untrained"]
    table.to_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        (read,) = csv.DictReader(file)
    assert read["sampled_text_untrained"] == row["sampled_text_untrained"]


def test_bytes_need_no_text_and_characters_do(stored, monkeypatch):
    monkeypatch.setattr("allometry.datasets.text.text._HELD", {})
    assert al.sample(stored.runs[0], store=stored.store, tokens=5)
    with pytest.raises(DataError, match=r"this process has no text of SHA-256.*--study FILE"):
        al.sample(stored.runs[1], store=stored.store, tokens=5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": ""}, "prompt: one character or more expected"),
        (
            {"prompt": "Ωmega ☂"},
            "characters in the text of the data expected, got 'Ω', 'm', 'g'",
        ),
        ({"prompt": "\udc80"}, "text in Unicode expected"),
        ({"tokens": 0}, "tokens, 1 or more"),
        ({"seed": -1}, "seed, 0 or more"),
        ({"temperature": -0.1}, "temperature: a number from 0 to 1e.06 expected, got -0.1"),
        ({"temperature": float("nan")}, "temperature: a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(stored, options, said):
    with pytest.raises(UsageError, match=said):
        al.sample(stored.runs[1], store=stored.store, **options)


def test_runs_that_have_no_text_to_give_are_refused(stored, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no run 'ffffffffffff' in store"):
        al.sample("f" * 12, store=stored.store)
    with pytest.raises(UsageError, match="6 at least; 1 begin so"):
        al.sample(stored.runs[0][:3], store=stored.store)
    (other,) = specs(1)
    with pytest.raises(UsageError, match="a LanguageModel on Text expected, got Net on Points"):
        al.sample(other.run_id, store=fill(tmp_path / "other.db", [other]))
    run_id, store = stored.runs[0], tmp_path / "alone.db"
    al.merge([stored.store], store)
    with pytest.raises(UsageError, match=r"--keep weights.*allometry forget --run"):
        al.sample(run_id, store=store)
    monkeypatch.setattr(Kept, "weights", lambda kept, name: {"embedding": np.ones((256, 16))})
    with pytest.raises(DataError, match="to another run, or its LanguageModel is not Allometry"):
        al.sample(run_id, store=stored.store)
