"""Measures of language models: bits per byte, which compare tokenisers, and text they write."""

import math

from allometry.datasets.text.text import Text
from allometry.errors import UsageError
from allometry.measures.network import Network
from allometry.models.counting import Params
from allometry.models.language_model import LanguageModel
from allometry.models.language_model.generation import generated

__all__ = ["bits_per_byte", "sampled_text", "text_after"]

LARGEST_TEMPERATURE = 1e6


def bits_per_byte(net: Network) -> dict[str, float]:
    """The test loss in bits per byte, and the number of bytes.

    The loss is the mean over tokens in nats. For n tokens with b bytes in all it is
    ``loss n / (b ln 2)`` bits per byte, over exactly the tokens that were tested.

    Returns:
        `test_bits_per_byte` and, where there is a validation part, `valid_bits_per_byte`;
        `test_bytes`, `valid_bytes`: the bytes of these tokens.

    Raises:
        UsageError: the data are not a `Text`.
    """
    data = net.spec.data
    if not isinstance(data, Text):
        raise UsageError(f"bits_per_byte needs data=Text(...), got {type(data).__name__}")
    out = {}
    for part, (_, targets) in net.split.parts().items():
        if part != "train":
            n_bytes = data.bytes_of(targets)
            nats = net.losses[f"{part}_loss"]
            out[f"{part}_bits_per_byte"] = nats * targets.size / (n_bytes * math.log(2))
            out[f"{part}_bytes"] = float(n_bytes)
    return out


def sampled_text(
    net: Network,
    *,
    prompt: str = "\n",
    tokens: int = 200,
    temperature: float = 1.0,
    seed: int = 0,
) -> dict[str, str]:
    """Text that a language model writes after a prompt.

    It is the text that `al.sample` gives, which needs kept weights.

    Args:
        prompt, tokens, temperature, seed: as for `al.sample`; `functools.partial` sets other ones.

    Returns:
        `sampled_text`, without the prompt. Bytes that are not UTF-8 become U+FFFD.

    Raises:
        UsageError: the run is not a `LanguageModel` on `Text`, or as for `al.sample`.
    """
    model, data = net.model, net.spec.data
    if not isinstance(model, LanguageModel) or not isinstance(data, Text):
        raise UsageError(
            "sampled_text needs a LanguageModel on Text(...), got "
            f"{type(model).__name__} on {type(data).__name__}"
        )
    text = text_after(
        prompt, model, net.params, data, tokens=tokens, temperature=temperature, seed=seed
    )
    return {"sampled_text": text}


def text_after(
    prompt: str,
    model: LanguageModel,
    params: Params,
    data: Text,
    *,
    tokens: int,
    temperature: float,
    seed: int,
) -> str:
    """Text that a language model writes after a prompt, by the tokeniser of its data.

    Args:
        tokens, temperature, seed: as for `al.sample`.

    Raises:
        UsageError: a number is out of its range; the prompt is empty, or has characters that the
            vocabulary lacks. DataError: the network has diverged.
    """
    if tokens < 1 or seed < 0:
        raise UsageError(f"tokens, 1 or more, and seed, 0 or more, expected, got {tokens}, {seed}")
    if not 0 <= temperature <= LARGEST_TEMPERATURE:
        raise UsageError(
            f"temperature: a number from 0 to {LARGEST_TEMPERATURE:g} expected, got {temperature!r}"
        )
    if not prompt:
        raise UsageError("prompt: one character or more expected, got none; leave it out")
    drawn = generated(
        model, params, data.encode(prompt), tokens, vocabulary=data.n_vocabulary,
        temperature=temperature, seed=seed,
    )  # fmt: skip
    return data.decode(drawn).decode("utf-8", "replace")
