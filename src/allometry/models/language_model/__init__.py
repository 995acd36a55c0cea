"""Decoder-only transformers that predict the next token at every position of a window."""

from allometry.models.language_model.model import LanguageModel as LanguageModel
from allometry.models.language_model.sizes import ParameterParts as ParameterParts
from allometry.models.language_model.state_dict import state_dict as state_dict

__all__ = ["LanguageModel", "ParameterParts", "state_dict"]
