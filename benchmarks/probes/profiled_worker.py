"""The sippy worker under cProfile, for `cpu --profile`: `python -m benchmarks.probes.profiled_worker`.

When it ends it leaves its figures in the folder for temporary files, as STATS with its pid. The profiler
takes more than the work itself, of a function called often above all, so that only shares mean anything.
"""

import asyncio
import cProfile
import os
import tempfile
from pathlib import Path
from typing import Final

from synthetic.agents import worker

STATS: Final = "dialtone-worker-{}.stats"


def main() -> None:
    """Serve as the worker does, and write down what took its time."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        asyncio.run(worker.main())
    finally:
        profile.disable()
        profile.dump_stats(Path(tempfile.gettempdir()) / STATS.format(os.getpid()))


if __name__ == "__main__":
    main()
