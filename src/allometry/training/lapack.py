"""Programs that call LAPACK, run one at a time.

On a CPU such a call for a batch of matrices holds one of XLA's threads while it waits for others:
as many calls at once as there are threads wait for each other for ever. The package's own parts
make no such calls. What a person's own parts do is unknown, so their starts, data and measures
are made under `ALONE`, and so is their training where its compiled program calls LAPACK.
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
