"""How much memory is held, in a way that other tests of the same process don't change."""

import gc
import sys


def held() -> int:
    """Return how many blocks of Python's memory are in use, garbage left out.

    The process's own size is that of all tests before, too, and grows by what their memory left in pieces.
    """
    gc.collect()
    return sys.getallocatedblocks()
