"""A lock for programs that call LAPACK, so that they run one at a time.

On a CPU a LAPACK call for a batch of matrices holds one of XLA's threads while it waits for other
threads. If as many calls run at once as there are threads, they wait for each other forever. The
package's own parts make no such calls. User-defined parts may, so their initial parameters are
drawn and their data loaded under the lock `ALONE`. They are also trained under it if their compiled
updates call LAPACK. All measures are taken under `ALONE`.
"""

import re
from threading import RLock

from jax.stages import Wrapped

__all__ = ["ALONE", "calls_lapack"]

ALONE = RLock()
CALL = re.compile(r"custom_call @(?:lapack|blas)_")


def calls_lapack(function: Wrapped, *arguments: object) -> bool:
    """Whether the program of a jitted function for these arguments calls LAPACK or BLAS."""
    return bool(CALL.search(function.lower(*arguments).as_text()))
