"""Neural tangent kernels of deep ReLU perceptrons at initialisation: their limit, and draws."""

from allometry.ntk.draws import KernelDraw
from allometry.ntk.empirical import empirical_ntk
from allometry.ntk.limit import limit_ntk
from allometry.ntk.procedure import KernelDraws, Kernels

__all__ = ["KernelDraw", "KernelDraws", "Kernels", "empirical_ntk", "limit_ntk"]
