"""Laws with parameters as they were published, as frontiers of one set."""

import numpy as np

from allometry import laws
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier


def frontier(law, **values):
    return Frontier(law, {name: np.array([value]) for name, value in values.items()})


# Besiroglu et al. 2404.10102.
BESIROGLU = frontier(laws.chinchilla, E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
# Hoffmann et al. 2203.15556, digits of its TeX source as Pearce & Song round them.
HOFFMANN = frontier(laws.chinchilla, E=1.6934, A=406.4, B=410.7, alpha=0.3392, beta=0.2849)
# As coded in the repository of Sardana et al. 2401.00448.
SARDANA = frontier(laws.chinchilla, E=1.69, A=406.4, B=410.7, alpha=0.336, beta=0.283)
# Muennighoff et al. 2305.16264, its C4 fit and README.
MUENNIGHOFF = frontier(
    laws.data_constrained, **laws.data_constrained.fixed, R_N=5.309743, R_D=15.387756
)

# 6 N D without saying that it is flat: what is computed with it is searched.
UNKNOWN = Cost("unknown", "6 N D, not told", lambda n: 6.0 * n)


def searched(closed):
    """The same frontier without closed forms."""
    return Frontier(closed.law, closed.values, UNKNOWN, closed.others)
