"""Models: networks as frozen values."""

from allometry.models.cnn import CNN as CNN
from allometry.models.convnet import ConvNet as ConvNet
from allometry.models.embedding_decoder import EmbeddingDecoder as EmbeddingDecoder
from allometry.models.frozen_cnn import FrozenCNN as FrozenCNN
from allometry.models.frozen_vit import FrozenViT as FrozenViT
from allometry.models.language_model import LanguageModel as LanguageModel
from allometry.models.mlp import MLP as MLP
from allometry.models.model import Counts as Counts
from allometry.models.model import Model as Model
from allometry.models.transformer import OneLayerTransformer as OneLayerTransformer

__all__ = [
    "CNN", "MLP", "ConvNet", "Counts", "EmbeddingDecoder", "FrozenCNN", "FrozenViT",
    "LanguageModel", "Model", "OneLayerTransformer",
]  # fmt: skip
