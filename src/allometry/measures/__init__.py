"""Measures: functions of one network that give numbers."""

from allometry.measures.layers import activation_changes as activation_changes
from allometry.measures.layers import activation_sizes as activation_sizes
from allometry.measures.losses import losses as losses
from allometry.measures.losses import test_losses as test_losses
from allometry.measures.network import Network as Network
from allometry.measures.noise import gradient_noise_scale as gradient_noise_scale
from allometry.measures.norms import distance_from_start as distance_from_start
from allometry.measures.norms import weight_norm as weight_norm
from allometry.measures.norms import weight_norms as weight_norms
from allometry.measures.paths import path_entropies as path_entropies
from allometry.measures.ranks import effective_rank as effective_rank
from allometry.measures.sharpness import sharpness as sharpness
from allometry.measures.text import bits_per_byte as bits_per_byte
from allometry.measures.text import sampled_text as sampled_text

__all__ = [
    "Network", "activation_changes", "activation_sizes", "bits_per_byte", "distance_from_start",
    "effective_rank", "gradient_noise_scale", "losses", "path_entropies", "sampled_text",
    "sharpness", "test_losses", "weight_norm", "weight_norms",
]  # fmt: skip
