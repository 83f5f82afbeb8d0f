"""Task processors: Asterisk's own queues of work, and which of them it can't keep up with.

Source: the command `core show taskprocessors` (write=command). A queue that reaches its high-water mark
makes chan_pjsip refuse new calls until it has drained, so one over it is seen by callers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialtone.model import CollectError, CollectFailure, Kind, MetricDef, Sample

ACTION: Final = "Command"


def _gauge(name: str, text: str) -> MetricDef:
    return MetricDef(f"asterisk_{name}", Kind.GAUGE, text, ("node",))


PROCESSORS: Final = _gauge("task_processors", "Task processors of Asterisk")
OVER: Final = _gauge(
    "task_processors_over_high_water", "Task processors whose queue is at or over its high-water mark now"
)
BEEN_OVER: Final = _gauge(
    "task_processors_been_over_high_water",
    "Task processors whose queue has been at or over its high-water mark since they began",
)
DEEPEST: Final = _gauge(
    "task_processor_queue_max", "Tasks that wait in the longest queue of a task processor"
)
METRICS: Final = (PROCESSORS, OVER, BEEN_OVER, DEEPEST)

_COLUMNS: Final = ("In Queue", "Max Depth", "High water")
_TIMES: Final = "High time"
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Processors:
    """How many there are, how many are and have been over their mark, and the longest queue's tasks."""

    all: int
    over: int
    been_over: int
    deepest: int


def parse(lines: Sequence[tuple[str, str]]) -> Processors:
    """Return what the lines of the command's answer say; lines that are no task processor are left out.

    Raises CollectError where none of them is one. Their names may contain anything, so the numbers are
    read from the right; how many there are is told by the head of the table.
    """
    rows: list[tuple[int, int, int]] = []
    width = 0
    for name, text in lines:
        if name == "Output":
            if width == 0 and all(column in text for column in _COLUMNS):
                # Processed, In Queue, Max Depth, Low water, High water; later also Low and High time(us).
                width = 7 if _TIMES in text else 5
            elif width and (numbers := _numbers(text, width)):
                rows.append((numbers[1], numbers[2], numbers[4]))
    if not rows:
        raise CollectError(CollectFailure.PROTOCOL, f"{ACTION}: no task processor is in the answer")
    return Processors(
        len(rows),
        sum(queued >= high > 0 for queued, _, high in rows),
        sum(deepest >= high > 0 for _, deepest, high in rows),
        max(queued for queued, _, _ in rows),
    )


def _numbers(text: str, width: int) -> list[int]:
    """Return the so many numbers that end a line after a name, none where it isn't so."""
    _, *numbers = text.rsplit(None, width) or [""]
    if len(numbers) != width or not all(map(_NUMBER.fullmatch, numbers)):
        return []
    return [int(number) for number in numbers]


class ProcessorsShown:
    """The task processors of one node as they were read last."""

    def __init__(self) -> None:
        self._read: Processors | None = None

    def take(self, read: Processors) -> None:
        """Take what parse() made of an answer."""
        self._read = read

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""
        self._read = None

    def samples(self, node: str, at: datetime) -> Iterator[Sample]:
        """Yield the figures, where there are any."""
        if (read := self._read) is not None:
            yield PROCESSORS.sample(node, value=read.all, at=at)
            yield OVER.sample(node, value=read.over, at=at)
            yield BEEN_OVER.sample(node, value=read.been_over, at=at)
            yield DEEPEST.sample(node, value=max(0, read.deepest), at=at)
