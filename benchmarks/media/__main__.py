"""The benchmarks of media: `python -m benchmarks.media streams|timing|soak|captures`, each with `--help`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

_MODULES: Final = {
    "streams": "benchmarks.media.streams",
    "timing": "benchmarks.media.timing",
    "soak": "benchmarks.media.soak",
    "captures": "benchmarks.media.captures",
}


def main(words: Sequence[str]) -> int:
    """Run the one that is named; return its exit code."""
    name = words[0] if words else ""
    if name not in _MODULES:
        print(f"usage: python -m benchmarks.media {'|'.join(_MODULES)} [options]", file=sys.stderr)  # noqa: T201
        return 2
    return int(import_module(_MODULES[name]).main(words[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
