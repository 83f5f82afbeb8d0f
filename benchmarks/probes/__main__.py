"""The benchmarks of the probes: `python -m benchmarks.probes timing|cpu`, each with its own `--help`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

_MODULES: Final = {"timing": "benchmarks.probes.timing", "cpu": "benchmarks.probes.cpu"}


def main(words: Sequence[str]) -> int:
    """Run the one that is named; return its exit code."""
    name = words[0] if words else ""
    if name not in _MODULES:
        print(f"usage: python -m benchmarks.probes {'|'.join(_MODULES)} [options]", file=sys.stderr)  # noqa: T201
        return 2
    return int(import_module(_MODULES[name]).main(words[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
