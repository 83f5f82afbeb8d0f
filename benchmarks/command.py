"""What the commands of the benchmarks have in common: a folder of their own, signals, and exit code 3."""

import functools
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio

from dialtone.cli.signals import SignalledError, until_signal
from dialtone.runtime import logs

T = TypeVar("T")


def measured(name: str, work: Callable[[Path], Awaitable[T]], *errors: type[Exception]) -> T:
    """Run a benchmark in a folder that is gone after it, and return what it measured.

    A signal takes down what had come up. Raises SystemExit then, with 128 and its number; and with 3 where
    the work raises one of `errors`, whose words are printed: it could not be run.
    """
    logs.configure("warning", "text", sys.stderr)
    with tempfile.TemporaryDirectory(prefix=f"dialtone-{name}-") as folder:
        try:
            return anyio.run(until_signal, functools.partial(work, Path(folder)))
        except SignalledError as ended:
            raise SystemExit(ended.code) from None
        except errors as error:
            print(f"benchmarks.{name}: {error}", file=sys.stderr)  # noqa: T201
            raise SystemExit(3) from None
