"""What is wrong with a configuration: where it stands, and how to mend it."""

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Where: TypeAlias = tuple[str | int, ...]
"""A place in the file: keys of mappings and indexes of lists, outermost first; () is the whole file."""

MAX_PROBLEMS: Final = 1000
"""More than a person can read; what a hostile file has beyond them is counted, not listed."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_SHOWN: Final = 60
_CANDIDATES: Final = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `path` is like `nodes[2].interval` ("" for the file), `line` counts from 1."""

    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.message) if part)


class ConfigError(Exception):
    """A configuration can't be used. `problems` has every reason, in the order of the file."""

    def __init__(self, source: Path, problems: Sequence[Problem]) -> None:
        self.source = source
        ordered = sorted(problems, key=lambda problem: problem.line or 0)
        if len(ordered) > MAX_PROBLEMS:
            more = Problem("", None, f"and {len(ordered) - MAX_PROBLEMS} problems more")
            ordered = [*ordered[:MAX_PROBLEMS], more]
        self.problems = tuple(ordered)
        super().__init__(str(self))

    def __str__(self) -> str:
        """Return a line for each problem, in the form `file:line: path: message` that editors know."""
        return "\n".join(
            f"{self.source}:{problem.line}: {problem}" if problem.line else f"{self.source}: {problem}"
            for problem in self.problems
        )


def show_path(where: Where) -> str:
    """Return a place as a person writes it: nodes[2].interval."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(shorten(step))}]"
    return text


def shorten(text: str, limit: int = _SHOWN) -> str:
    """Return the text, cut where it is longer than a message should carry."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quote(value: object) -> str:
    """Return a value as it stands in a message: in quotes, printable, not too long."""
    return shorten(repr(str(value)))


def listing(words: Iterable[str], limit: int = 10) -> str:
    """Return words joined by commas; those past the limit are counted only."""
    every = list(words)
    text = ", ".join(every[:limit])
    return text if len(every) <= limit else f"{text} and {len(every) - limit:,} more"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the known word most like this one, or "" where none is."""
    # difflib is slow: neither a hostile key nor ten thousand tenants may cost seconds.
    candidates = list(itertools.islice(known, _CANDIDATES))
    close = difflib.get_close_matches(word[:_SHOWN], candidates, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
