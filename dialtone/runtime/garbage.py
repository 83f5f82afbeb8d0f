"""Python's collection of garbage, for processes that hold much and run long."""

import gc
from typing import Final

PILED_UP: Final = 50_000
"""New objects after which Python looks for garbage by itself; 700 unless told otherwise."""


def settle() -> None:
    """Take what there is now for lasting, and look for garbage seldom; to be called once, after the imports.

    A poll of a big platform, or a call, makes thousands of objects that are no garbage. To go through all
    that lives for each few hundred of them takes a tenth of the work, and holds the loop for 100 ms at times.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(PILED_UP)
