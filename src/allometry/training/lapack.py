"""A lock for programs that call LAPACK, so that they run one at a time.

On a CPU a LAPACK call for a batch of matrices holds one of XLA's threads while it waits for other
threads. If as many calls run at once as there are threads, they wait for each other for ever. The
package's own parts make no such calls. A person's own parts may, so they draw their starts and load
their data under `ALONE`. They also train under it if their compiled updates call LAPACK. All
measures are taken under `ALONE`.
"""

import re
from threading import RLock

from jax.stages import Wrapped

__all__ = ["ALONE", "calls_lapack"]

ALONE = RLock()
CALL = re.compile(r"custom_call @(?:lapack|blas)_")


def calls_lapack(function: Wrapped, *arguments: object) -> bool:
    """Whether a compiled function calls LAPACK, or BLAS by name, for these arguments."""
    return bool(CALL.search(function.lower(*arguments).as_text()))
