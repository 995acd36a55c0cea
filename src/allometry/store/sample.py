"""Text drawn from a stored language model."""

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
    """Text drawn token by token from a trained language model, as it goes on after a prompt.

    The model and its tokeniser are read from the spec that the store has, its parameters from
    beside the store, where ``run(..., keep="weights")`` kept them. Tokens of bytes need nothing
    else; those of characters and byte pairs need the text of the data: a corpus of the catalogue,
    or one's own that this process has read with `al.datasets.read_text`, also by `al.study(path)`.

    Args:
        run_id: of the run, or at least its first 6 characters where no other begins with them.
        store: file the run is kept in.
        prompt: what the text follows. Of a longer one the model sees the last `context` tokens.
        tokens: how many are drawn.
        temperature: what logits are divided by; 0 takes the most probable token each time.
        seed: of the draws; the same gives the same text.

    Returns:
        the text without the prompt. Bytes that are no UTF-8 are U+FFFD.

    Raises:
        UsageError: the run is not stored, is of no language model of text, has no weights that
            were kept; the prompt is empty or has characters that the vocabulary has not.
        DataError: spec or weights are damaged or of another version; the text is not here; the
            network has diverged.
    """
    run_id, model, data = _read(run_id, store)
    params = weights(run_id, store)
    kept, expected = sum(array.size for array in params.values()), model.counts().n_params
    if kept != expected:
        raise DataError(
            f"run {run_id[:12]}: kept weights of {expected:,} parameters expected, got {kept:,}; "
            "they are of another run, or its LanguageModel is not the one of Allometry"
        )
    return text_after(
        prompt, model, params, data, tokens=tokens, temperature=temperature, seed=seed
    )


def _read(name: str, store: str | Path) -> tuple[str, LanguageModel, Text]:
    """The whole run_id, model and data of a stored run."""
    with Store(store) as opened:
        (run_id,) = run_ids_named(opened, [name])
        document = opened.spec(run_id)
    parts: dict[str, Any] = {name: document[name] for name in ("model", "data") if name in document}
    kinds = [part.get("kind") for part in parts.values() if isinstance(part, dict)]
    if kinds != [LanguageModel.__name__, Text.__name__]:
        shown = " on ".join(map(str, kinds)) or document.get("kind")
        raise UsageError(
            f"run {run_id[:12]}: a LanguageModel on Text expected, got {shown}; text is drawn from "
            "language models alone"
        )
    model, data = (value_of(part, KINDS) for part in parts.values())
    check_same(run_id, parts, {"model": model.document(), "data": data.document()})
    assert isinstance(model, LanguageModel)
    assert isinstance(data, Text)
    return run_id, model, data
