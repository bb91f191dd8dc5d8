"""Array types and the one way to make an array read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


def frozen(array: Any, dtype: Any = None) -> NDArray[Any]:
    """Return a read-only copy-free view (or a converted copy) of `array`."""
    result = np.asarray(array, dtype=dtype).view()
    result.flags.writeable = False
    return result
