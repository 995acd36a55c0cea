"""Measures: functions of one network that give numbers."""

from allometry.measures.losses import losses as losses
from allometry.measures.network import Network as Network
from allometry.measures.paths import path_entropies as path_entropies

__all__ = ["Network", "losses", "path_entropies"]
