"""Text sampled from a stored language model."""

from pathlib import Path
from typing import Any

from allometry.datasets import BytePair, Bytes, Characters, Text
from allometry.errors import DataError, UsageError
from allometry.measures.text import text_after
from allometry.models import LanguageModel
from allometry.spec.comparison import check_same
from allometry.spec.stored import value_of
from allometry.store.networks import weights
from allometry.store.selection import run_ids_named
from allometry.store.store import Store

__all__ = ["sample"]

KINDS = (LanguageModel, Text, Bytes, Characters, BytePair)


def sample(
    run_id: str,
    *,
    store: str | Path = "allometry.db",
    prompt: str = "\n",
    tokens: int = 200,
    temperature: float = 1.0,
    seed: int = 0,
) -> str:
    """Text sampled token by token from a trained language model, as continuation of a prompt.

    The model and its tokeniser are read from the stored spec, the parameters from the folder
    beside the store where ``run(..., keep="weights")`` kept them. Byte tokens need nothing else.
    Characters and byte pairs need the text of the data: a corpus of the catalogue, or a text that
    this process has read with `al.datasets.read_text` (`al.study(path)` reads that of a study).

    Args:
        run_id: run_id of the run, or at least 6 first characters that no other run_id shares.
        store: file that keeps the run.
        prompt: text to continue. The model sees at most its last `context` tokens.
        tokens: number of tokens to sample.
        temperature: divisor of the logits; 0 always takes the most probable token.
        seed: seed of the sampling; the same seed gives the same text.

    Returns:
        the text without the prompt. Bytes that are not valid UTF-8 become U+FFFD.

    Raises:
        UsageError: the run is not stored, is not a language model on text, or has no kept
            weights; the prompt is empty or has characters outside the vocabulary.
        DataError: spec or weights are damaged or of another version; the text of the data is
            missing; the network has diverged.
    """
    run_id, model, data = _read(run_id, store)
    params = weights(run_id, store)
    kept, expected = sum(array.size for array in params.values()), model.counts().n_params
    if kept != expected:
        raise DataError(
            f"run {run_id[:12]}: kept weights of {expected:,} parameters expected, got {kept:,}; "
            "they belong to another run, or its LanguageModel is not Allometry's"
        )
    return text_after(
        prompt, model, params, data, tokens=tokens, temperature=temperature, seed=seed
    )


def _read(name: str, store: str | Path) -> tuple[str, LanguageModel, Text]:
    """The full run_id, the model and the data of a stored run."""
    with Store(store) as opened:
        (run_id,) = run_ids_named(opened, [name])
        document = opened.spec(run_id)
    parts: dict[str, Any] = {name: document[name] for name in ("model", "data") if name in document}
    kinds = [part.get("kind") for part in parts.values() if isinstance(part, dict)]
    if kinds != [LanguageModel.__name__, Text.__name__]:
        shown = " on ".join(map(str, kinds)) or document.get("kind")
        raise UsageError(
            f"run {run_id[:12]}: a LanguageModel on Text expected, got {shown}; only language "
            "models can be sampled"
        )
    model, data = (value_of(part, KINDS) for part in parts.values())
    check_same(run_id, parts, {"model": model.document(), "data": data.document()})
    assert isinstance(model, LanguageModel)
    assert isinstance(data, Text)
    return run_id, model, data
