"""Fetch what the lab needs from other Debian suites: `python -m lab.debian fetch [NAME ...]`."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lab.base import LabError
from lab.debian.bundle import BUNDLES, default_cache
from lab.debian.store import ensure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when everything is there in the end, 1 when something can't be had."""
    parser = argparse.ArgumentParser(prog="python -m lab.debian", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fetch = commands.add_parser("fetch", help="fetch and unpack; what is there already is left alone")
    names = [bundle.name for bundle in BUNDLES]
    fetch.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    fetch.add_argument("--cache", type=Path, default=default_cache(), help="folder (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        fetch.error(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
    for bundle in BUNDLES:
        if options.names and bundle.name not in options.names:
            continue
        try:
            ensure(bundle, options.cache, partial(_say, bundle.name))
        except LabError as error:
            _say(bundle.name, str(error))
            return 1
        except OSError as error:
            _say(bundle.name, f"{options.cache}: {error.strerror}")
            return 1
    return 0


def _say(name: str, text: str) -> None:
    sys.stderr.write(f"{name}: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
